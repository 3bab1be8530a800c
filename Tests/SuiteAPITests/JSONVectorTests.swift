import Foundation
import SuiteAPI
import Testing

@Suite("Vectors in JSON")
struct JSONVectorTests {
    private func json(_ vector: JSONVector) throws -> String { String(decoding: try JSONEncoder().encode(vector), as: UTF8.self) }
    private func vector(_ json: String) throws -> [Float] { try JSONDecoder().decode(JSONVector.self, from: Data(json.utf8)).values }

    @Test("Numbers and base64 hold the same floats, to the last bit")
    func forms() throws {
        let values: [Float] = [1, -2.5, 0.1, .leastNonzeroMagnitude, .greatestFiniteMagnitude, 1.0 / 3]
        #expect(try vector(json(.numbers(values))) == values)
        #expect(try vector(json(.base64(values))) == values)
        #expect(try json(.numbers([1, -2.5])) == "[1,-2.5]")
        #expect(Array(Data(floats: [1, -2.5])) == [0, 0, 128, 63, 0, 0, 32, 192])
    }

    @Test("What holds no floats is refused", arguments: [#""AAA""#, #""AAAA""#, #""?""#, "[1,\"2\"]", "[1,null]", "[1e400]", "{}", "1"])
    func refusals(_ json: String) {
        #expect(throws: DecodingError.self) { try vector(json) }
    }
}
