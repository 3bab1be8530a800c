import CoreMetrics
import Foundation
import Synchronization

/// The backend of swift-metrics that keeps counters, gauges and histograms and writes them as Prometheus text.
///
/// Timers become histograms in seconds; recorders that aggregate become histograms too, or summaries (count and sum) where their name ends
/// in `_bytes`, for which buckets of seconds would say nothing. A label set is bounded: past ``seriesLimit`` series of one name, further label values are
/// counted under `other`, so that hostile input cannot grow a scrape without end.
public final class PrometheusRegistry: MetricsFactory, Sendable {
    /// Upper bounds in seconds: fine enough to tell half a millisecond from one, wide enough for a minute of generation.
    public static let buckets: [Double] = [
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
    ]
    /// Series that one metric name may have.
    public static let seriesLimit = 1_000

    private let families = Mutex<[String: Family]>([:])
    private let bounds: [String: [Double]]

    /// - Parameter bounds: upper bounds of histograms, by name, for which ``buckets`` are too fine or too short.
    public init(bounds: [String: [Double]] = [:]) { self.bounds = bounds }

    struct Family {
        let kind: Kind
        var series: [String: any Sample] = [:]
    }

    enum Kind: String { case counter, gauge, histogram, summary }

    // MARK: MetricsFactory

    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        series(label, dimensions, .counter) { Scalar() }
    }

    public func makeFloatingPointCounter(label: String, dimensions: [(String, String)]) -> any FloatingPointCounterHandler {
        series(label, dimensions, .counter) { Scalar() }
    }

    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        series(label, dimensions, .gauge) { Scalar() }
    }

    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        guard aggregate else { return series(label, dimensions, .gauge) { Scalar() } }
        if label.hasSuffix("_bytes") { return series(label, dimensions, .summary) { Summary() } }
        return series(label, dimensions, .histogram) { histogram(label) }
    }

    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        series(label, dimensions, .histogram) { histogram(label) }
    }

    private func histogram(_ label: String) -> Histogram { Histogram(bounds[label] ?? Self.buckets) }

    // Series live as long as the process: a counter that vanished and came back would read as a reset.
    public func destroyCounter(_ handler: any CounterHandler) {}
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    public func destroyMeter(_ handler: any MeterHandler) {}
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    public func destroyTimer(_ handler: any TimerHandler) {}

    private func series<S: Sample>(_ name: String, _ labels: [(String, String)], _ kind: Kind, make: () -> S) -> S {
        families.withLock { families in
            var family = families[name] ?? Family(kind: kind)
            var key = Exposition.labels(labels)
            if family.series[key] == nil, family.series.count >= Self.seriesLimit {
                key = Exposition.labels(labels.map { ($0.0, "other") })
            }
            if let known = family.series[key] as? S { return known }
            let made = make()
            family.series[key] = made
            families[name] = family
            return made
        }
    }

    // MARK: Exposition

    /// Everything in the text format, version 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/).
    public func text() -> String {
        let families = families.withLock { $0 }
        var output = Exposition()
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            output.header(name, kind: family.kind.rawValue)
            for (labels, sample) in family.series.sorted(by: { $0.key < $1.key }) { sample.write(name: name, labels: labels, to: &output) }
        }
        ProcessMetrics.write(to: &output)
        return output.text
    }
}

/// One series: a name with one set of labels.
protocol Sample: AnyObject, Sendable {
    func write(name: String, labels: String, to output: inout Exposition)
}

/// A number that is counted up or set.
final class Scalar: Sample, CounterHandler, FloatingPointCounterHandler, MeterHandler, RecorderHandler, Sendable {
    private let value = Mutex(0.0)

    func increment(by amount: Int64) { value.withLock { $0 += Double(amount) } }
    func increment(by amount: Double) { value.withLock { $0 += amount } }
    func decrement(by amount: Double) { value.withLock { $0 -= amount } }
    func set(_ new: Int64) { value.withLock { $0 = Double(new) } }
    func set(_ new: Double) { value.withLock { $0 = new } }
    func record(_ new: Int64) { set(new) }
    func record(_ new: Double) { set(new) }
    func reset() { value.withLock { $0 = 0 } }

    func write(name: String, labels: String, to output: inout Exposition) {
        output.sample(name, labels, value.withLock { $0 })
    }
}

/// Observations counted by bucket.
final class Histogram: Sample, TimerHandler, RecorderHandler, Sendable {
    private struct State {
        var counts: [UInt64]
        var sum = 0.0
    }
    private let bounds: [Double]
    private let state: Mutex<State>

    init(_ bounds: [Double]) {
        self.bounds = bounds
        state = Mutex(State(counts: [UInt64](repeating: 0, count: bounds.count + 1)))
    }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }
    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) {
        let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
        state.withLock {
            $0.counts[bucket] += 1
            $0.sum += value
        }
    }

    func write(name: String, labels: String, to output: inout Exposition) {
        let state = state.withLock { $0 }
        var cumulative: UInt64 = 0
        for (count, bound) in zip(state.counts, bounds.map(Exposition.number) + ["+Inf"]) {
            cumulative += count
            output.sample(name + "_bucket", Exposition.adding("le", bound, to: labels), Double(cumulative))
        }
        output.sample(name + "_sum", labels, state.sum)
        output.sample(name + "_count", labels, Double(cumulative))
    }
}

/// How many observations there were, and what they come to together.
final class Summary: Sample, RecorderHandler, Sendable {
    private let state = Mutex((count: UInt64(0), sum: 0.0))

    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) {
        state.withLock {
            $0.count += 1
            $0.sum += value
        }
    }

    func write(name: String, labels: String, to output: inout Exposition) {
        let (count, sum) = state.withLock { $0 }
        output.sample(name + "_sum", labels, sum)
        output.sample(name + "_count", labels, Double(count))
    }
}
