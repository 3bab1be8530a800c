import ServiceKit

/// Holds a value against the part of JSON Schema that tools' schemas use: type, properties, required, items, anyOf.
func schemaProblems(_ value: JSONValue, _ schema: JSONValue, at place: String = "$") -> [String] {
    var problems: [String] = []
    if let type = schema["type"]?.stringValue {
        let isRight =
            switch (type, value) {
            case ("string", .string), ("boolean", .bool), ("object", .object), ("array", .array), ("null", .null): true
            case ("integer", _): value.intValue != nil
            case ("number", _): value.doubleValue != nil
            default: false
            }
        if !isRight { problems.append("\(place) is no \(type): \(value)") }
    }
    for (name, inner) in schema["properties"]?.objectValue ?? [:] {
        if let member = value[name] { problems += schemaProblems(member, inner, at: "\(place).\(name)") }
    }
    for name in schema["required"]?.arrayValue?.compactMap(\.stringValue) ?? [] where value[name] == nil {
        problems.append("\(place).\(name) is missing")
    }
    if let items = schema["items"] {
        for (index, item) in (value.arrayValue ?? []).enumerated() { problems += schemaProblems(item, items, at: "\(place)[\(index)]") }
    }
    if let choices = schema["anyOf"]?.arrayValue {
        let all = choices.map { schemaProblems(value, $0, at: place) }
        if !all.contains(where: \.isEmpty) { problems += all.flatMap { $0 } }
    }
    return problems
}
