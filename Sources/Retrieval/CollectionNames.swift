import HTTPTypes
import ServiceKit

extension RetrievalService {
    /// A collection that retrieval may work on. It asks the vector store with the suite's own rights, and does not lend them: what memory keeps
    /// there is not documents.
    ///
    /// - Throws: 403 for collections of memory.
    static func permitted(_ name: String) throws -> String {
        guard !name.hasPrefix("memory_") else {
            throw ServiceError(.forbidden, code: "forbidden", "Names that begin with “memory_” are for collections of memory.")
        }
        return name
    }
}
