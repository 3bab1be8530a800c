// swift-tools-version: 6.2
import PackageDescription

// The floors of the house (docs/architecture.md): a module imports only from floors below its own. Tests/HouseTests holds the imports
// in Sources/ to it.

/// Warnings are errors where changes are judged; a newer compiler that warns of more must not keep a user from building.
let judged: [SwiftSetting] = Context.environment["CI"] == nil ? [] : [.treatAllWarnings(as: .error)]
let strict: [SwiftSetting] = [.enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("MemberImportVisibility")] + judged

func product(_ name: String, _ package: String) -> Target.Dependency { .product(name: name, package: package) }

let logging = product("Logging", "swift-log")
let metrics = product("Metrics", "swift-metrics")
let lifecycle = product("ServiceLifecycle", "swift-service-lifecycle")
let hummingbird = product("Hummingbird", "hummingbird")
let hummingbirdTesting = product("HummingbirdTesting", "hummingbird")
let httpTypes = product("HTTPTypes", "swift-http-types")
let nioCore = product("NIOCore", "swift-nio")
let nioHTTP1 = product("NIOHTTP1", "swift-nio")
let nioPosix = product("NIOPosix", "swift-nio")
let nioSSL = product("NIOSSL", "swift-nio-ssl")
let asyncHTTPClient = product("AsyncHTTPClient", "async-http-client")
let algorithms = product("Algorithms", "swift-algorithms")
let crypto = product("Crypto", "swift-crypto")
let grdb = product("GRDB", "GRDB.swift")
let subprocess = product("Subprocess", "swift-subprocess")
let systemPackage = product("SystemPackage", "swift-system")

/// What a module that serves HTTP builds on.
let service: [Target.Dependency] = [
    "Suite", "ServiceKit", "SuiteAPI", logging, metrics, lifecycle, hummingbird, httpTypes, nioCore,
]

func module(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
    .target(name: name, dependencies: dependencies, resources: resources, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(
        name: name, dependencies: service + ["TestSupport", hummingbirdTesting, systemPackage] + dependencies, swiftSettings: strict)
}

/// What `/health` and `maru --version` of a release build report. Debug builds stay “unknown”: a commit must not rebuild everything.
let commit = Context.gitInformation.map { String($0.currentCommit.prefix(12)) + ($0.hasUncommittedChanges ? "+" : "") } ?? "unknown"

let package = Package(
    name: "maru",
    platforms: [.macOS(.v15)],
    products: [.executable(name: "maru", targets: ["maru"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-algorithms", from: "1.2.1"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-async-algorithms", from: "1.1.4"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.30.0"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
    ],
    targets: [
        // 7
        .executableTarget(
            name: "maru",
            dependencies: [
                "Suite", "ServiceKit", "SuiteAPI", "Security", "Inference", "Vectors", "Embedding", "Gateway", "Retrieval", "Tools",
                "Memory",
                "Sandbox", "Supervision", "Operations", logging, metrics, lifecycle, asyncHTTPClient,
                product("ArgumentParser", "swift-argument-parser"),
            ],
            swiftSettings: strict),
        // 6
        module(
            "Operations",
            [
                "Suite", "ServiceKit", "SuiteAPI", "Inference", "Supervision", asyncHTTPClient, crypto, nioCore, nioHTTP1, nioPosix,
                subprocess, systemPackage,
            ]),
        // 5
        module(
            "Supervision",
            ["Suite", "ServiceKit", "SuiteAPI", logging, lifecycle, nioCore, nioHTTP1, nioPosix, subprocess, systemPackage]),
        module(
            "Memory",
            service + [
                crypto, grdb, nioHTTP1, systemPackage, product("AsyncAlgorithms", "swift-async-algorithms"),
                // SQLite itself, for what GRDB has no name for.
                product("GRDBSQLite", "GRDB.swift"),
            ]),
        module("Retrieval", service + [asyncHTTPClient, crypto, grdb, subprocess, systemPackage]),
        module(
            "Tools", service + ["Security", "Sandbox", "CLinux", asyncHTTPClient, crypto, nioHTTP1, nioPosix, subprocess, systemPackage]),
        module("Gateway", service + [asyncHTTPClient, nioHTTP1]),
        module("Embedding", service + ["Inference", asyncHTTPClient, nioHTTP1]),
        // 4
        module(
            "Inference",
            service + [
                asyncHTTPClient, crypto, nioHTTP1, nioPosix, subprocess, systemPackage,
                product("NIOFoundationEssentialsCompat", "swift-nio"),
            ],
            resources: [
                .embedInCode("Resources/engine_process.py"), .embedInCode("Resources/llama_server.py"),
                .embedInCode("Resources/onnx_encoder.py"), .embedInCode("Resources/encoder.py"),
                .embedInCode("Resources/encoder-requirements.txt"), .embedInCode("Resources/e5_to_gguf.py"),
                .embedInCode("Resources/conversion-requirements.txt"),
            ]),
        module("Vectors", service + ["CHnsw", algorithms, crypto, grdb, systemPackage]),
        module(
            "Security",
            [
                "Suite", "ServiceKit", "SuiteAPI", logging, metrics, lifecycle, crypto, grdb, httpTypes, nioCore, nioPosix, nioSSL,
                systemPackage,
            ]),
        module(
            "Sandbox", ["Suite", "ServiceKit", "CLinux", logging, metrics, httpTypes, nioCore, nioPosix, systemPackage],
            resources: [.embedInCode("Resources/isolation_probe.py")]),
        // 3
        module("SuiteAPI", ["Suite", "ServiceKit", nioCore, asyncHTTPClient, nioHTTP1]),
        // 2
        module(
            "ServiceKit",
            [
                "Suite", "CVersion", logging, metrics, lifecycle, hummingbird, httpTypes, nioCore, asyncHTTPClient, subprocess,
                systemPackage,
                product("CoreMetrics", "swift-metrics"), product("AsyncAlgorithms", "swift-async-algorithms"),
                nioPosix, nioHTTP1, product("NIOFoundationCompat", "swift-nio"),
                product("UnixSignals", "swift-service-lifecycle"),
            ]),
        // 1
        module("Suite", [product("Configuration", "swift-configuration"), systemPackage]),
        .target(name: "CVersion", cSettings: [.define("MARU_COMMIT", to: "\"\(commit)\"", .when(configuration: .release))]),
        .target(name: "CLinux"),
        .target(name: "CHnsw", cxxSettings: [.headerSearchPath("../../.deps/hnswlib")]),

        // What tests share: a running service, scratch folders, settings.
        .target(
            name: "TestSupport",
            dependencies: service + [hummingbirdTesting, systemPackage, asyncHTTPClient, nioHTTP1],
            path: "Tests/TestSupport",
            swiftSettings: strict),
        tests("HouseTests", []),
        tests("SuiteTests", []),
        tests("ServiceKitTests", [asyncHTTPClient, nioHTTP1, nioPosix]),
        tests("SuiteAPITests", []),
        tests("SecurityTests", ["Security", grdb, nioPosix, nioSSL, subprocess]),
        tests("SandboxTests", ["Sandbox"]),
        tests("ToolsTests", ["Tools", "Security", "Sandbox", grdb, subprocess, asyncHTTPClient, nioHTTP1, nioPosix]),
        tests("InferenceTests", ["Inference", subprocess, crypto]),
        tests("VectorsTests", ["Vectors"]),
        tests("EmbeddingTests", ["Embedding", "Inference", asyncHTTPClient, nioHTTP1]),
        tests("GatewayTests", ["Gateway", "Memory", asyncHTTPClient, nioHTTP1]),
        tests("MemoryTests", ["Memory", "Vectors", grdb, asyncHTTPClient, nioHTTP1]),
        tests("RetrievalTests", ["Retrieval"]),
        tests("SupervisionTests", ["Supervision", subprocess]),
        tests("OperationsTests", ["Operations", nioPosix]),
    ],
    cxxLanguageStandard: .cxx17
)
