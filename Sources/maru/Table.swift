/// Text in columns.
struct Table {
    private let header: [String]

    init(_ header: [String]) { self.header = header }

    func rows(_ rows: [[String]]) -> String {
        let all = [header] + rows
        let widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { row in
            let cells = zip(row, widths).map { text, width in text + String(repeating: " ", count: width - text.count) }
            return cells.joined(separator: "  ").replacing(#/\s+$/#, with: "")
        }.joined(separator: "\n")
    }
}
