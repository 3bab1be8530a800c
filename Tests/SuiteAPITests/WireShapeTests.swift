import Foundation
import ServiceKit
import SuiteAPI
import Testing

@Suite("Wire shapes")
struct WireShapeTests {
    @Test("Point ids are numbers or texts on the wire")
    func pointIDs() throws {
        #expect(String(decoding: try JSONEncoder().encode([PointID.number(7), .uuid("a-b")]), as: UTF8.self) == #"[7,"a-b"]"#)
        #expect(try JSONDecoder().decode([PointID].self, from: Data(#"[7,"a-b"]"#.utf8)) == [.number(7), .uuid("a-b")])
    }

    @Test("JSON of any kind comes back as it was")
    func values() throws {
        let text =
            #"{"a":[1,1.5,"x",null,true,{"b":[]},"1",0],"c":-9007199254740993,"d":[18446744073709551615,9223372036854775807,1e+300]}"#
        let value = try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
        #expect(String(decoding: try JSONEncoder.sorted.encode(value), as: UTF8.self) == text)
    }
}
