import ServiceKit

/// A place in a payload: names separated by dots, `[]` for every element of a list, `[n]` for one
/// (https://qdrant.tech/documentation/concepts/payload/#nested-key).
struct PayloadPath: Sendable, Hashable {
    enum Step: Sendable, Hashable {
        case member(String), every, element(Int)
    }

    let steps: [Step]

    init(_ text: String) {
        steps = text.split(separator: ".", omittingEmptySubsequences: false).flatMap { part -> [Step] in
            let name = part.prefix { $0 != "[" }
            let places = part.dropFirst(name.count).matches(of: #/\[(\d*)\]/#).map { place in
                Int(place.1).map(Step.element) ?? .every
            }
            return [.member(String(name))] + places
        }
    }

    /// What a text may mean in a payload: a path, or a member whose name has dots in it.
    static func meanings(of text: String) -> [ArraySlice<Step>] {
        [PayloadPath(text).steps[...], [.member(text)]]
    }

    /// Everything that stands there.
    func values(in payload: [String: JSONValue]) -> [JSONValue] {
        steps.reduce([JSONValue.object(payload)]) { found, step in
            switch step {
            case .member(let name): found.compactMap { $0[name] }
            case .every: found.flatMap { $0.arrayValue ?? [] }
            case .element(let index): found.compactMap { $0.arrayValue.flatMap { $0.indices.contains(index) ? $0[index] : nil } }
            }
        }
    }

    /// The payload with some members set in the object that stands there; what is missing on the way is made.
    func setting(_ members: [String: JSONValue], in payload: [String: JSONValue]) -> [String: JSONValue] {
        Self.setting(members, in: .object(payload), at: steps[...]).objectValue ?? payload
    }

    private static func setting(_ members: [String: JSONValue], in value: JSONValue, at path: ArraySlice<Step>) -> JSONValue {
        guard let step = path.first else { return .object((value.objectValue ?? [:]).merging(members) { _, new in new }) }
        let rest = path.dropFirst()
        switch step {
        case .member(let name):
            var object = value.objectValue ?? [:]
            object[name] = setting(members, in: object[name] ?? .null, at: rest)
            return .object(object)
        case .every: return .array((value.arrayValue ?? []).map { setting(members, in: $0, at: rest) })
        case .element(let index):
            guard var list = value.arrayValue, list.indices.contains(index) else { return value }
            list[index] = setting(members, in: list[index], at: rest)
            return .array(list)
        }
    }
}

extension JSONValue {
    /// The value with what stands at some paths alone; `nil` when nothing does.
    func keeping(_ paths: [ArraySlice<PayloadPath.Step>]) -> JSONValue? {
        if paths.contains(where: \.isEmpty) { return self }
        return pruned(paths) { value, rest in rest.isEmpty ? nil : value.keeping(rest) }
    }

    /// The value without what stands at some paths; `nil` when that is all of it.
    func removing(_ paths: [ArraySlice<PayloadPath.Step>]) -> JSONValue? {
        if paths.contains(where: \.isEmpty) { return nil }
        return pruned(paths) { value, rest in rest.isEmpty ? value : value.removing(rest) }
    }

    /// Goes one step down: each member or element is given what of the paths goes on in it.
    private func pruned(
        _ paths: [ArraySlice<PayloadPath.Step>], _ decide: (JSONValue, [ArraySlice<PayloadPath.Step>]) -> JSONValue?
    ) -> JSONValue? {
        func rest(_ matches: (PayloadPath.Step) -> Bool) -> [ArraySlice<PayloadPath.Step>] {
            paths.compactMap { path in path.first.map(matches) == true ? path.dropFirst() : nil }
        }
        switch self {
        case .object(let members):
            var kept: [String: JSONValue] = [:]
            for (name, value) in members { kept[name] = decide(value, rest { $0 == .member(name) }) }
            return .object(kept)
        case .array(let elements):
            return .array(
                elements.enumerated().compactMap { index, value in decide(value, rest { $0 == .every || $0 == .element(index) }) })
        default: return decide(self, [])
        }
    }
}
