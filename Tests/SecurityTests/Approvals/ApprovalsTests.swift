import Foundation
import GRDB
import ServiceKit
import Synchronization
import TestSupport
import Testing

@testable import Security

@Suite("Approvals")
struct ApprovalsTests {
    private func withBench(_ values: [String: String] = [:], _ body: (ApprovalBench) async throws -> Void) async throws {
        try await withScratchFolder { folder in try await body(try await ApprovalBench(folder, values)) }
    }

    @Test("weakness_10_an_approved_call_is_let_through_once_and_a_request_is_answered_at_once")
    func weakness_10() async throws {
        try await withBench { bench in
            let approvals = try bench.open()
            let asked = try await bench.ask(approvals)
            #expect(asked.status == .pending)
            // The very same call again opens no second request.
            #expect(try await bench.ask(approvals).id == asked.id)
            #expect(try await bench.redeem(approvals, asked) == nil)
            _ = try await approvals.decide(asked.shortID, approve: true, by: bench.boss, reason: "ok")
            #expect(try await bench.redeem(approvals, asked)?.status == .used)
            #expect(try await bench.redeem(approvals, asked) == nil)
            #expect(await code { try await bench.redeem(approvals, asked, id: asked.idText) } == "approval_used")
            // After that the call is a new one.
            #expect(try await bench.ask(approvals).id != asked.id)
        }
    }

    @Test("Of many that use one approval at once, through two connections, one is let through")
    func race() async throws {
        try await withBench { bench in
            let doors = [try bench.open(), try bench.open()]
            for round in 0..<10 {
                let asked = try await bench.ask(doors[0], "round \(round)")
                _ = try await doors[1].decide(asked.idText, approve: true, by: bench.boss)
                let through = try await withThrowingTaskGroup(of: Bool.self) { group in
                    for number in 0..<16 { group.addTask { try await bench.redeem(doors[number % 2], asked) != nil } }
                    return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
                }
                #expect(through == 1)
            }
        }
    }

    @Test("Of two decisions at once one stands, and the other is told so")
    func doubleDecision() async throws {
        try await withBench { bench in
            let doors = [try bench.open(), try bench.open()]
            let asked = try await bench.ask(doors[0])
            async let first = code { try await doors[0].decide(asked.idText, approve: true, by: bench.boss) }
            async let second = code { try await doors[1].decide(asked.idText, approve: false, by: bench.admin) }
            let codes = await [first, second]
            #expect(codes.compactMap { $0 } == ["already_processed"])
        }
    }

    @Test("What was approved for one call lets no other through: other arguments, another user")
    func swapped() async throws {
        try await withBench { bench in
            let approvals = try bench.open()
            let asked = try await bench.ask(approvals)
            _ = try await approvals.decide(asked.idText, approve: true, by: bench.boss)
            let other = try CallDigest(tool: "execute_bash", arguments: ["command": "rm -rf ."])
            func redeem(_ digest: String, _ user: String, _ id: String?) async throws -> ApprovalRequest? {
                try await approvals.redeem(digest: digest, tool: "execute_bash", caller: Caller(id: user, role: .developer), id: id)
            }
            #expect(await code { try await redeem(other.digest, "dev", asked.idText) } == "approval_mismatch")
            #expect(await code { try await redeem(asked.digest, "mallory", asked.idText) } == "approval_not_found")
            #expect(try await redeem(other.digest, "dev", nil) == nil)
            #expect(try await redeem(asked.digest, "mallory", nil) == nil)
            #expect(try await redeem(asked.digest, "dev", asked.shortID)?.status == .used)
        }
    }

    @Test("The digest is of the exact arguments, whatever the order of their members, and of the tool")
    func digest() throws {
        let one = try CallDigest(tool: "a", arguments: ["x": 1, "y": "2"])
        #expect(one == (try CallDigest(tool: "a", arguments: ["y": "2", "x": 1])))
        #expect(one.digest != (try CallDigest(tool: "b", arguments: ["x": 1, "y": "2"])).digest)
        #expect(one.digest != (try CallDigest(tool: "a", arguments: ["x": 1, "y": "3"])).digest)
    }

    @Test("Only approvers decide; nobody decides their own request; a role that was taken away counts at once")
    func fourEyes() async throws {
        try await withBench { bench in
            let approvals = try bench.open()
            let asked = try await bench.ask(approvals)
            #expect(await code { try await approvals.decide(asked.idText, approve: true, by: bench.asker) } == "permission_denied")
            let own = try await bench.ask(approvals, "own", by: bench.boss)
            #expect(await code { try await approvals.decide(own.idText, approve: true, by: bench.boss) } == "own_request")
            bench.directory.names.withLock { $0 = ["chief"] }
            #expect(await code { try await approvals.decide(asked.idText, approve: true, by: bench.boss) } == "permission_denied")
            bench.directory.names.withLock { $0 = [] }
            // Nobody else is there: the administrator decides, and it is noted.
            let alone = try await bench.ask(approvals, "alone", by: bench.admin)
            let decided = try await approvals.decide(alone.idText, approve: true, by: bench.admin)
            #expect(decided.reason == ApprovalLifecycle.ownRequestNote)
        }
    }

    @Test("Requests and approvals survive a restart, and expire while nobody runs")
    func restart() async throws {
        try await withBench { bench in
            let asked = try await bench.ask(try bench.open())
            _ = try await bench.open().decide(asked.idText, approve: true, by: bench.boss)
            #expect(try await bench.redeem(try bench.open(), asked, id: asked.idText)?.status == .used)
            let late = try await bench.ask(try bench.open(), "late")
            _ = try await bench.open().decide(late.idText, approve: true, by: bench.boss)
            bench.clock.move(300)
            #expect(await code { try await bench.redeem(try bench.open(), late, id: late.idText) } == "approval_expired")
            #expect(try await bench.redeem(try bench.open(), late) == nil)
        }
    }

    @Test("weakness_14_over_APPROVAL_MAX_PENDING_a_request_is_refused_until_one_is_decided_or_expired")
    func weakness_14() async throws {
        try await withBench(["APPROVAL_MAX_PENDING": "2"]) { bench in
            let approvals = try bench.open()
            let first = try await bench.ask(approvals, "1")
            _ = try await bench.ask(approvals, "2")
            #expect(await code { try await bench.ask(approvals, "3") } == "approval_queue_full")
            // One that waits already is found, not refused.
            #expect(try await bench.ask(approvals, "1").id == first.id)
            _ = try await approvals.decide(first.idText, approve: false, by: bench.boss)
            _ = try await bench.ask(approvals, "3")
            bench.clock.move(301)
            _ = try await bench.ask(approvals, "4")
        }
    }

    @Test("weakness_18_an_id_is_no_pattern_and_expiry_is_kept")
    func weakness_18() async throws {
        try await withBench { bench in
            let approvals = try bench.open()
            let asked = try await bench.ask(approvals)
            for pattern in ["%", "%%%%%%%%", "________", "1234567", "", "' OR 1=1 --", asked.idText + "0", "가나다라마바사아"] {
                #expect(await code { try await approvals.find(pattern) } == "invalid_value", "\(pattern)")
            }
            #expect(try await approvals.find(asked.shortID).id == asked.id)
            #expect(try await approvals.find(asked.idText.uppercased()).id == asked.id)
            #expect(await code { try await approvals.find("00000000-0000") } == "approval_not_found")
            bench.clock.move(300)
            #expect(try await approvals.find(asked.shortID).status == .expired)
            let kept = try await bench.database().read {
                try String.fetchOne(
                    $0, sql: "SELECT status || responder_id FROM approval_requests WHERE request_id = ?", arguments: [asked.idText])
            }
            #expect(kept == "expiredsystem")
            #expect(await code { try await approvals.decide(asked.idText, approve: true, by: bench.boss) } == "approval_expired")
        }
    }

    @Test("Two ids that begin alike are told apart, not guessed at")
    func ambiguous() async throws {
        try await withBench { bench in
            let approvals = try bench.open()
            let pool = try bench.database()
            for last in ["1", "2"] {
                try await pool.write { db in
                    try db.execute(
                        sql: """
                            INSERT INTO approval_requests (request_id, tool_name, user_id, role, request_data, digest, requested_at, expires_at)
                            VALUES (?, 't', 'u', '', '{}', 'd', ?, ?)
                            """,
                        arguments: ["aaaaaaaa-0000-4000-8000-00000000000\(last)", bench.clock.now, bench.clock.now + 300])
                }
            }
            #expect(await code { try await approvals.find("aaaaaaaa") } == "ambiguous_id")
            #expect(try await approvals.find("aaaaaaaa-0000-4000-8000-000000000002").idText.hasSuffix("2"))
        }
    }

    @Test("Who waits is woken by a decision here, by one of another process, by expiry; and can be cancelled")
    func waiting() async throws {
        try await withBench { bench in
            let approvals = try bench.open()
            let elsewhere = try bench.open()
            for door in [approvals, elsewhere] {
                let asked = try await bench.ask(approvals, "\(UUID())")
                async let decided = approvals.waitForDecision(asked.id)
                _ = try await door.decide(asked.idText, approve: false, by: bench.boss)
                #expect(try await decided.status == .rejected)
            }
            let silent = try await bench.ask(approvals, "silent")
            async let expired = approvals.waitForDecision(silent.id)
            bench.clock.move(301)
            #expect(try await expired.status == .expired)
            let never = try await bench.ask(approvals, "never")
            let task = Task { try await approvals.waitForDecision(never.id) }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
        }
    }

    @Test("Lists are filtered and paged, figures are of the span asked for, what is old goes")
    func queries() async throws {
        try await withBench(["AUDIT_RETENTION_DAYS": "1"]) { bench in
            let approvals = try bench.open()
            for number in 0..<3 {
                let asked = try await bench.ask(approvals, "\(number)")
                bench.clock.move(10)
                _ = try await approvals.decide(asked.idText, approve: number > 0, by: bench.boss)
            }
            let waiting = try await bench.ask(approvals, "waits", by: bench.boss)
            let page = try await approvals.list(.init(userID: "dev", limit: 2, offset: 1))
            #expect(page.total == 3 && page.requests.count == 2 && page.requests[0].requestedAt > page.requests[1].requestedAt)
            #expect(try await approvals.list(.init(status: .pending)).requests.map(\.id) == [waiting.id])
            let all = try await approvals.statistics(last: 3_600)
            #expect(all.total_requests == 4 && all.approved_count == 2 && all.rejected_count == 1 && all.pending_count == 1)
            #expect(all.approval_rate == 0.6667 && all.avg_response_time_seconds == 10)
            #expect(try await approvals.statistics(last: 5).total_requests == 1)
            bench.clock.move(200_000)
            #expect(try await approvals.sweep() == 3)
            #expect(try await approvals.list(.init()).total == 0)
        }
    }
}
