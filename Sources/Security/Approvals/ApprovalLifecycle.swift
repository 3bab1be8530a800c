import Foundation

/// The states of an approval and what leads from one to the next. Pure: it says what is to become of a request, ``Approvals`` does it.
public struct ApprovalLifecycle: Sendable, Equatable {
    /// Something that happens to a request.
    public enum Event: Sendable, Equatable {
        /// Somebody's word. `mayDecide`: whether that person holds the permission now. `isOnlyApprover`: whether nobody else could decide.
        case decide(approve: Bool, by: String, mayDecide: Bool, isOnlyApprover: Bool, reason: String?)
        /// `mayCancel`: whether the person may take back what others asked for.
        case cancel(by: String, mayCancel: Bool)
        /// The call is made again, and asks to be let through.
        case redeem(tool: String, digest: String, by: String)
        /// Time has passed.
        case tick
    }

    /// What is to be written.
    public struct Change: Sendable, Equatable {
        public let from: ApprovalStatus
        public let to: ApprovalStatus
        public var responder: String?
        public var reason: String?
        /// A new end, when the change gives one.
        public var expiresAt: Date?
    }

    public enum Refusal: Sendable, Equatable {
        /// The time for it is over.
        case expired
        /// Somebody decided before, or it was taken back.
        case alreadyProcessed(ApprovalStatus)
        /// Not decided yet.
        case undecided
        /// The person may not decide.
        case notApprover
        /// Nobody decides what they asked for themselves.
        case ownRequest
        /// It was granted for another call: other arguments, another tool, another user.
        case otherCall
        /// It let a call through before.
        case alreadyUsed
    }

    public enum Answer: Sendable, Equatable {
        case become(Change)
        case refuse(Refusal)
        case stay
    }

    public private(set) var status: ApprovalStatus
    public private(set) var expiresAt: Date
    public let askers: Set<String>
    public let userID: String
    public let tool: String
    public let digest: String
    /// For how long an approval can be used, in seconds.
    public let lifetime: TimeInterval

    /// - Parameter lifetime: `APPROVAL_TIMEOUT`.
    public init(_ request: ApprovalRequest, lifetime: TimeInterval) {
        status = request.status
        expiresAt = request.expiresAt
        userID = request.userID
        askers = Set([request.userID] + (request.createdBy.map { [$0] } ?? []))
        tool = request.tool
        digest = request.digest
        self.lifetime = lifetime
    }

    /// Whether its time is over although nobody has noted that yet.
    public func isOverdue(at now: Date) -> Bool { !status.isFinal && now >= expiresAt }

    /// What an event leads to. The machine has made the change when it answers ``Answer/become(_:)``.
    ///
    /// Time comes first: a request that is overdue expires, whatever else happens; the caller then asks again and is refused.
    public mutating func answer(_ event: Event, at now: Date) -> Answer {
        if isOverdue(at: now) {
            let reason = status == .pending ? "Request timed out" : "Approval was not used in time"
            return become(.expired, responder: status == .pending ? "system" : nil, reason: status == .pending ? reason : nil)
        }
        switch event {
        case .tick: return .stay
        case .cancel(let person, let mayCancel):
            guard mayCancel || askers.contains(person) else { return .refuse(.notApprover) }
            guard status == .pending else { return .refuse(processed) }
            return become(.cancelled, responder: person, reason: nil)
        case .decide(let approve, let person, let mayDecide, let isOnlyApprover, let reason):
            guard mayDecide else { return .refuse(.notApprover) }
            guard status == .pending else { return .refuse(processed) }
            let isOwn = askers.contains(person)
            guard !isOwn || isOnlyApprover else { return .refuse(.ownRequest) }
            // That nobody else looked at it stands beside the decision for good.
            let note = isOwn ? [reason, Self.ownRequestNote].compactMap { $0 }.joined(separator: " ") : reason
            return become(
                approve ? .approved : .rejected, responder: person, reason: note, expiresAt: approve ? now + lifetime : nil)
        case .redeem(let tool, let digest, let person):
            guard tool == self.tool, digest == self.digest, person == userID else { return .refuse(.otherCall) }
            switch status {
            case .approved: return become(.used, responder: nil, reason: nil)
            case .pending: return .refuse(.undecided)
            case .used: return .refuse(.alreadyUsed)
            case .expired, .timeout: return .refuse(.expired)
            case .rejected, .cancelled: return .refuse(.alreadyProcessed(status))
            }
        }
    }

    /// What is added to the reason when somebody decided their own request.
    public static let ownRequestNote = "(Decided by the one who asked: there is no other approver.)"

    private var processed: Refusal { status == .expired || status == .timeout ? .expired : .alreadyProcessed(status) }

    private mutating func become(_ next: ApprovalStatus, responder: String?, reason: String?, expiresAt: Date? = nil) -> Answer {
        let change = Change(from: status, to: next, responder: responder, reason: reason, expiresAt: expiresAt)
        status = next
        if let expiresAt { self.expiresAt = expiresAt }
        return .become(change)
    }
}
