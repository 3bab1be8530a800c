import Foundation
import Testing

@testable import Security

@Suite("The life of an approval")
struct ApprovalLifecycleTests {
    private static let start = Date(timeIntervalSince1970: 1_800_000_000)

    private static let request = ApprovalRequest(
        id: UUID(), tool: "write_file", userID: "dev", role: "developer", arguments: "{}", digest: "right", status: .pending,
        requestedAt: start, expiresAt: start + 300)

    private typealias Event = ApprovalLifecycle.Event

    /// Everything that can happen, each with the seconds that pass before it.
    private static let events: [(TimeInterval, Event)] = [
        (1, .decide(approve: true, by: "boss", mayDecide: true, isOnlyApprover: false, reason: nil)),
        (1, .decide(approve: false, by: "boss", mayDecide: true, isOnlyApprover: false, reason: nil)),
        (1, .decide(approve: true, by: "dev", mayDecide: true, isOnlyApprover: false, reason: nil)),
        (1, .decide(approve: true, by: "former", mayDecide: false, isOnlyApprover: false, reason: nil)),
        (1, .cancel(by: "dev", mayCancel: false)), (1, .cancel(by: "stranger", mayCancel: false)),
        (1, .redeem(tool: "write_file", digest: "right", by: "dev")), (1, .redeem(tool: "write_file", digest: "swapped", by: "dev")),
        (1, .redeem(tool: "execute_bash", digest: "right", by: "dev")), (1, .redeem(tool: "write_file", digest: "right", by: "other")),
        (301, .tick),
    ]

    /// What a sequence of events led to, and the rules that no sequence may break.
    private struct Walk {
        var machine: ApprovalLifecycle
        var now = ApprovalLifecycleTests.start
        var approvedAt: Date?
        var uses = 0
        var broken: [String] = []

        mutating func take(_ seconds: TimeInterval, _ event: Event) {
            now += seconds
            let before = machine.status
            let answer = machine.answer(event, at: now)
            guard case .become(let change) = answer else {
                if machine.status != before { broken.append("changed without saying so") }
                return
            }
            if before.isFinal { broken.append("left \(before)") }
            if change.from != before || change.to != machine.status { broken.append("told of another change than it made") }
            switch change.to {
            case .approved:
                approvedAt = now
                guard case .decide(true, "boss", true, _, _) = event else { return broken.append("approved by \(event)") }
            case .used:
                uses += 1
                guard event == .redeem(tool: "write_file", digest: "right", by: "dev") else { return broken.append("used by \(event)") }
                guard before == .approved, let approvedAt, now < approvedAt + 300 else {
                    return broken.append("used without an approval in time")
                }
            case .pending: broken.append("pending again")
            case .rejected, .timeout, .expired, .cancelled: break
            }
        }
    }

    @Test("S4: no sequence of four events lets a call through twice, unapproved, swapped, late, or on the asker's own word")
    func everySequence() {
        var sequences = 0
        var used = 0
        func explore(_ walk: Walk, depth: Int) {
            sequences += 1
            if walk.uses > 0 { used += 1 }
            #expect(walk.broken.isEmpty, "\(walk.broken)")
            #expect(walk.uses <= 1)
            guard depth > 0, walk.broken.isEmpty else { return }
            for (seconds, event) in Self.events {
                var next = walk
                next.take(seconds, event)
                explore(next, depth: depth - 1)
            }
        }
        explore(Walk(machine: ApprovalLifecycle(Self.request, lifetime: 300)), depth: 4)
        // Some sequences do let a call through: the rules above were put to something.
        #expect(sequences > 14_000 && used > 100)
    }

    @Test("Deciding one's own request is refused while others could, and noted beside the reason when nobody else can")
    func ownRequest() {
        var machine = ApprovalLifecycle(Self.request, lifetime: 300)
        let own = Event.decide(approve: true, by: "dev", mayDecide: true, isOnlyApprover: false, reason: "fine")
        #expect(machine.answer(own, at: Self.start) == .refuse(.ownRequest))
        let alone = Event.decide(approve: true, by: "dev", mayDecide: true, isOnlyApprover: true, reason: "fine")
        guard case .become(let change) = machine.answer(alone, at: Self.start) else {
            Issue.record("an administrator who is alone could not decide")
            return
        }
        #expect(change.reason == "fine " + ApprovalLifecycle.ownRequestNote)
    }

    @Test("Who asks on behalf of another cannot decide that request either")
    func onBehalf() {
        var request = Self.request
        request.createdBy = "boss"
        var machine = ApprovalLifecycle(request, lifetime: 300)
        let decision = Event.decide(approve: true, by: "boss", mayDecide: true, isOnlyApprover: false, reason: nil)
        #expect(machine.answer(decision, at: Self.start) == .refuse(.ownRequest))
    }

    @Test("An approval is for as long as a request: it can be used until then, and not at that moment")
    func lifetime() {
        let redeem = Event.redeem(tool: "write_file", digest: "right", by: "dev")
        for (after, isUsed) in [(299.0, true), (300.0, false)] {
            var machine = ApprovalLifecycle(Self.request, lifetime: 300)
            let approve = Event.decide(approve: true, by: "boss", mayDecide: true, isOnlyApprover: false, reason: nil)
            _ = machine.answer(approve, at: Self.start + 200)
            _ = machine.answer(redeem, at: Self.start + 200 + after)
            #expect(machine.status == (isUsed ? .used : .expired))
        }
    }
}
