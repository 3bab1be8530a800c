import ServiceKit
import Suite
import Testing

@testable import Supervision

@Suite("The life of a supervised service")
struct ChildLifecycleTests {
    private let birth = ContinuousClock.now

    private func after(_ time: Duration) -> ContinuousClock.Instant { birth.advanced(by: time) }

    private func started(timeout: Duration = .seconds(30)) -> ChildLifecycle {
        var life = ChildLifecycle(startTimeout: timeout)
        life.start(at: birth)
        return life
    }

    @Test("It is starting until it answers, alive until it can work, then ready; and back when it cannot")
    func phases() {
        var life = ChildLifecycle(startTimeout: .seconds(30))
        #expect(life.phase == .waiting)
        life.start(at: birth)
        #expect(life.phase == .starting && life.restarts == 0)
        #expect(life.saw(.alive("the model is loading"), at: after(.seconds(1))) == .none)
        #expect(life.phase == .alive && life.reason == "the model is loading")
        #expect(life.saw(.ready, at: after(.seconds(2))) == .none)
        #expect(life.phase == .ready && life.reason == nil)
        #expect(life.saw(.alive("not reachable: qdrant"), at: after(.seconds(3))) == .none)
        #expect(life.phase == .alive)
    }

    @Test("One that never answers is ended when its time to start has passed, and not before")
    func startTimeout() {
        var life = started()
        #expect(life.saw(.silent("refused"), at: after(.seconds(29))) == .none)
        #expect(life.saw(.silent("refused"), at: after(.seconds(31))) == .end)
        #expect(life.reason?.contains("no answer for 30 s") == true)
    }

    @Test("One that hangs is ended; one that waits for others, for however long, is not")
    func hanging() {
        var life = started()
        for minute in 1...20 {
            #expect(life.saw(.alive("not reachable: api-gateway"), at: after(.seconds(60 * minute))) == .none)
        }
        #expect(life.saw(.silent("timeout"), at: after(.seconds(20 * 60 + 59))) == .none)
        #expect(life.saw(.silent("timeout"), at: after(.seconds(20 * 60 + 61))) == .end)
    }

    @Test("Pauses between lives that end too soon grow; a good life resets them")
    func backoff() {
        var life = started()
        #expect(life.ended("exited(1)", at: after(.seconds(1))) == .seconds(1))
        #expect(life.phase == .backingOff && life.reason == "exited(1); next start in 1 s")
        life.start(at: after(.seconds(2)))
        #expect(life.restarts == 1 && life.failures == 1)
        #expect(life.ended("exited(1)", at: after(.seconds(3))) == .seconds(2))
        life.start(at: after(.seconds(5)))
        #expect(life.ended("exited(1)", at: after(.seconds(500))) == .seconds(4), "it was never ready")
        life.start(at: after(.seconds(510)))
        _ = life.saw(.ready, at: after(.seconds(511)))
        #expect(life.ended("exited(1)", at: after(.seconds(600))) == .seconds(1))
    }

    @Test("What depends on a service starts once it answers, and is not held up by one that is broken")
    func dependents() {
        var life = started()
        #expect(!life.letsDependentsStart)
        _ = life.saw(.alive("loading"), at: after(.seconds(1)))
        #expect(life.letsDependentsStart)
        var broken = started()
        _ = broken.ended("exited(1)", at: after(.seconds(1)))
        #expect(broken.letsDependentsStart)
    }

    @Test("Services are stopped before those that they call")
    func stopOrder() throws {
        let waves = ServiceCatalogue.stopWaves(ServiceCatalogue.all)
        #expect(Set(waves.joined()) == Set(ServiceID.allCases))
        for service in ServiceCatalogue.all {
            let own = try #require(waves.firstIndex { $0.contains(service.id) })
            for needed in service.dependencies + service.optionalDependencies {
                #expect(own < (try #require(waves.firstIndex { $0.contains(needed) })), "\(service.id) \(needed)")
            }
        }
        // A part of the stack is stopped in the same order, whatever is missing from it.
        #expect(ServiceCatalogue.stopWaves([ServiceCatalogue[.qdrant], ServiceCatalogue[.rag]]) == [[.rag], [.qdrant]])
    }
}
