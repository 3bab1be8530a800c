import Hummingbird
import ServiceKit

/// What was asked, and the cache of answers, over HTTP.
struct AnalyticsRoutes {
    let service: RetrievalService

    var all: [Route] {
        [
            Route(.get, "/analytics", "The last hours in figures: searches, times, tokens, the most frequent questions.") { request, _ in
                let hours = try request.queryInteger("hours", in: 1...8_760) ?? 24
                return .json(try await service.log.summary(hours: hours))
            },
            Route(.get, "/cache/stats", "How many answers are kept to be given again.") { _, _ in
                .json(try await service.cache.statistics())
            },
            Route(.delete, "/cache", "Forgets the kept answers.", access: .role(.developer)) { _, _ in
                .json(["message": .string("Cleared \(try await service.cache.clear()) cache entries")] as JSONValue)
            },
            Route(.post, "/optimize", "Removes what has ended and gives its space back.", access: .role(.developer)) { _, _ in
                let cleaned = try await service.cache.purge()
                try await service.analytics.vacuum()
                return .json(
                    [
                        "message": "Database optimized", "cleaned_cache_entries": .integer(Int64(cleaned)), "database_optimized": true,
                    ] as JSONValue)
            },
        ]
    }
}
