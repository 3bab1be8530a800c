import Foundation
import GRDB
import ServiceKit
import SystemPackage

/// Everything that a project remembers, as SQL that any SQLite reads: one statement a line. The index of words and the queue are left out,
/// since both are made from the rest.
enum MemoryDump {
    /// - Throws: the file system's or the database's error.
    static func write(_ project: ProjectID, at moment: Date, _ db: Database, to path: FilePath) throws {
        let out = try LineWriter(path)
        try out.write("-- The memory of project \(project), \(MemoryTime.text(moment)).")
        try out.write("BEGIN TRANSACTION;")
        for table in MemoryContents.tables {
            for sql in try String.fetchAll(
                db,
                sql: """
                    SELECT sql FROM sqlite_master WHERE tbl_name = ? AND type IN ('table', 'index') AND sql IS NOT NULL
                    ORDER BY type DESC, name
                    """, arguments: [table]
            ) {
                try out.write(sql.split(whereSeparator: \.isWhitespace).joined(separator: " ") + ";")
            }
            let names = try db.columns(in: table).map(\.name)
            let values = names.map(literal)
            let rows = try String.fetchCursor(
                db,
                sql: """
                    SELECT 'INSERT INTO \(table) (\(names.joined(separator: ","))) VALUES (' || \(values.joined(separator: " || ',' || "))
                        || ');' FROM \(table) ORDER BY \(names[0])
                    """)
            while let row = try rows.next() { try out.write(row) }
        }
        try out.write("COMMIT;")
        try out.close()
    }

    /// SQL that gives a column's value as SQL. `quote()` does; a text with line ends is written with `\n` and `\r` for them, which two calls
    /// put back, so that each statement stays on its line; one that holds these signs itself is written as bytes. A call for each line end
    /// would be too deep for SQLite's parser from the five hundredth on (https://www.sqlite.org/limits.html#max_expr_depth).
    private static func literal(_ column: String) -> String {
        #"""
        CASE WHEN typeof(\#(column)) <> 'text' OR (instr(\#(column), char(10)) = 0 AND instr(\#(column), char(13)) = 0) THEN quote(\#(column))
        WHEN instr(\#(column), '\n') = 0 AND instr(\#(column), '\r') = 0
        THEN 'replace(replace(' || replace(replace(quote(\#(column)), char(10), '\n'), char(13), '\r') || ',''\n'',char(10)),''\r'',char(13))'
        ELSE 'CAST(X''' || hex(\#(column)) || ''' AS TEXT)' END
        """#
    }

    /// Reads what ``write(_:at:_:to:)`` wrote into an empty database of a memory, which has its tables already.
    static func read(_ path: FilePath, into db: Database) throws {
        let lines = try LineReader(path)
        while let line = try lines.next() {
            if line.hasPrefix("INSERT INTO ") { try db.execute(sql: line) }
        }
    }
}
