import Metrics
import ServiceKit

/// The metrics of a test process: swift-metrics can be given one backend a process, so the first who asks gives it.
public enum SharedRegistry {
    public static let metrics: PrometheusRegistry = {
        let registry = PrometheusRegistry()
        MetricsSystem.bootstrap(registry)
        return registry
    }()
}
