import Foundation
import Suite

/// The five phases in which a stack is proved ready for production.
public enum Phase: Int, Sendable, Codable, CaseIterable, Comparable {
    case environment = 1, stack, monitoring, configuration, function

    public var title: String {
        switch self {
        case .environment: "Environment"
        case .stack: "Services and health"
        case .monitoring: "Monitoring"
        case .configuration: "Production configuration"
        case .function: "Function and speed"
        }
    }

    public static func < (left: Phase, right: Phase) -> Bool { left.rawValue < right.rawValue }
}

/// How a check came out.
public enum Outcome: String, Sendable, Codable, CaseIterable {
    case pass = "PASS"
    /// Worth knowing, no reason to stop.
    case warn = "WARN"
    case fail = "FAIL"
    /// Does not apply here, with the reason; never counts as passed.
    case skip = "SKIP"
    /// A threshold could not be judged, because what it judges did not happen.
    case inconclusive = "INCONCLUSIVE"
}

/// What a check found.
public struct Finding: Sendable {
    public let outcome: Outcome
    /// The measured value, with its unit.
    public let value: String?
    /// Why it is not a plain PASS, or what makes it one.
    public let reason: String?
    /// Raw output, for who wants to see for himself.
    public let evidence: String

    public init(_ outcome: Outcome, value: String? = nil, reason: String? = nil, evidence: String = "") {
        self.outcome = outcome
        self.value = value
        self.reason = reason
        self.evidence = evidence
    }

    public static func skip(_ reason: String, evidence: String = "") -> Finding { Finding(.skip, reason: reason, evidence: evidence) }
}

/// One thing to prove: what it is called, what is demanded, how anyone can repeat it, and how it is found out here.
public struct Check: Sendable {
    public let id: String
    public let phase: Phase
    public let title: String
    public let threshold: String
    /// A shell command that shows the same to anyone.
    public let command: String
    /// Longest time it may take, besides the time that a starting service is waited for.
    public let limit: Duration
    /// Whether it asks a service of the stack: one that does not answer in time has failed, while a measurement that does not end in time
    /// was not made.
    public let asksService: Bool
    /// Whether it waits for a service that is starting, for as long as ``CheckContext/patience`` says.
    public let waitsForStart: Bool
    public let run: @Sendable (CheckContext) async throws -> Finding

    public init(
        _ id: String, _ phase: Phase, _ title: String, threshold: String, command: String, limit: Duration = .seconds(60),
        asksService: Bool = false, waitsForStart: Bool = false,
        run: @escaping @Sendable (CheckContext) async throws -> Finding
    ) {
        self.id = id
        self.phase = phase
        self.title = title
        self.threshold = threshold
        self.command = command
        self.limit = limit
        self.asksService = asksService
        self.waitsForStart = waitsForStart
        self.run = run
    }

    /// An item of the checklist whose subject this build does not contain.
    static func absent(_ id: String, _ phase: Phase, _ title: String, threshold: String, command: String) -> Check {
        Check(id, phase, title, threshold: threshold, command: command) { _ in .skip("not part of this build") }
    }
}

/// A check that was run: the row of every report.
public struct CheckResult: Sendable, Codable {
    public let id: String
    public let phase: Int
    public let title: String
    public let outcome: Outcome
    public let value: String?
    public let threshold: String
    public let command: String
    public let seconds: Double
    public let reason: String?
    public let started: Date
    public let evidence: String

    public init(
        id: String, phase: Int, title: String, outcome: Outcome, value: String?, threshold: String, command: String, seconds: Double,
        reason: String?, started: Date, evidence: String
    ) {
        self.id = id
        self.phase = phase
        self.title = title
        self.outcome = outcome
        self.value = value
        self.threshold = threshold
        self.command = command
        self.seconds = seconds
        self.reason = reason
        self.started = started
        self.evidence = evidence
    }
}

extension CheckResult {
    /// Every member is always there, `null` where it does not apply, so that readers need not ask whether it is.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(id, forKey: .id)
        try container.encode(phase, forKey: .phase)
        try container.encode(title, forKey: .title)
        try container.encode(outcome, forKey: .outcome)
        try container.encode(value, forKey: .value)
        try container.encode(threshold, forKey: .threshold)
        try container.encode(command, forKey: .command)
        try container.encode(seconds, forKey: .seconds)
        try container.encode(reason, forKey: .reason)
        try container.encode(started, forKey: .started)
        try container.encode(evidence, forKey: .evidence)
    }
}
