import HTTPTypes
import ServiceKit
import Suite

/// Who may come near which collection. Those of memory hold what users said, one collection a project: they are for the suite itself and for
/// administrators. In development mode, where anybody on this machine may call himself anything, developers see them too.
extension VectorsService {
    /// Collections of memory begin with it.
    private static let ofMemory = "memory_"

    /// The collection that a path names.
    ///
    /// - Throws: 403 when it is not for the caller.
    func collectionName(_ context: CallContext) throws -> String { try permitted(try context.part("collection"), context) }

    /// - Throws: 403 when the collection of this name is not for the caller.
    func permitted(_ name: String, _ context: CallContext) throws -> String {
        guard isOpen(name, to: context.caller) else {
            throw ServiceError(
                .forbidden, code: "forbidden",
                "Forbidden: collections of memory are for the suite and its administrators; ask the memory service for your own.")
        }
        return name
    }

    func isOpen(_ name: String, to caller: Caller) -> Bool {
        guard name.hasPrefix(Self.ofMemory) else { return true }
        return (caller.role ?? .guest) >= (settings[SettingKeys.securityMode] == .development ? .developer : .service)
    }
}
