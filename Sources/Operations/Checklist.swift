import Suite

/// All checks, in the order in which they are run and reported. Every capability of the suite brings its own here.
public enum Checklist {
    public static func all(_ settings: Settings) -> [Check] {
        environment(settings) + stack(settings) + monitoring + configuration(settings) + function(settings)
    }

    /// The checks of some phases.
    public static func checks(_ settings: Settings, phases: Set<Phase>) -> [Check] { all(settings).filter { phases.contains($0.phase) } }

    /// Phase 3: its subjects come with the monitoring stack.
    static let monitoring: [Check] = [
        .absent(
            "S16", .monitoring, "Monitoring stack", threshold: "Prometheus, Grafana, Loki and Alertmanager running",
            command: "curl -fsS localhost:9090/-/ready localhost:3001/api/health localhost:3100/ready localhost:9093/-/ready"),
        .absent(
            "S17", .monitoring, "Dashboards reachable", threshold: "4 dashboards",
            command: "curl -fsS localhost:3001/api/search?type=dash-db"),
        .absent(
            "S18", .monitoring, "Overview dashboard", threshold: "every panel has data",
            command: "curl -fsSG localhost:9090/api/v1/query --data-urlencode query=up"),
        .absent("S19", .monitoring, "Scrape targets", threshold: "at least 7, all UP", command: "curl -fsS localhost:9090/api/v1/targets"),
        .absent(
            "S20", .monitoring, "Log collection", threshold: "lines of the last minute",
            command:
                "curl -fsSG localhost:3100/loki/api/v1/query_range --data-urlencode 'query={service=~\".+\"}' --data-urlencode since=1m"),
        .absent("S21", .monitoring, "Alert rules", threshold: "at least 3 loaded", command: "curl -fsS localhost:9090/api/v1/rules"),
        .absent(
            "G4", .monitoring, "Scenario: monitoring collects", threshold: "7 targets UP, panels and logs fed",
            command: "maru verify --phase 3"),
    ]
}
