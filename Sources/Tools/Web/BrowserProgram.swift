import Foundation
import ServiceKit
import Suite
import SystemPackage

/// The Chromium that is run, and how.
struct BrowserProgram: Sendable {
    let path: String

    /// - Throws: 503 `browser_unavailable` where there is none.
    init(settings: Settings, environment: [String: String] = ProcessInfo.processInfo.environment) throws {
        let own = settings[SettingKeys.chromium]
        let folders = (environment["PATH"] ?? "").split(separator: ":").map(String.init)
        let named = own.isEmpty ? Self.names : [own]
        let places = named.flatMap { name in name.contains("/") ? [settings.path(name).string] : folders.map { "\($0)/\(name)" } }
        guard let found = places.first(where: FileManager.default.isExecutableFile) else {
            let what = own.isEmpty ? "No Chromium or Chrome is installed" : "CHROMIUM is “\(own)”, and there is no such program"
            throw ServiceError.unavailable(
                "\(what). Install it (Debian: apt-get install chromium) or set CHROMIUM to its path.", code: "browser_unavailable",
                retryAfter: .seconds(60))
        }
        path = found
    }

    private static let names = [
        "chromium", "chromium-browser", "google-chrome", "google-chrome-stable",
        "/Applications/Chromium.app/Contents/MacOS/Chromium", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    ]

    /// What it needs to find its libraries, and a home of its own: nothing of the user's is read or left behind.
    static func environment(home: String, _ environment: [String: String] = ProcessInfo.processInfo.environment) -> [String: String] {
        let kept = environment.filter { ["PATH", "LD_LIBRARY_PATH", "TZ"].contains($0.key) }
        return kept.merging(["HOME": home, "TMPDIR": home, "LANG": "C.UTF-8", "DBUS_SESSION_BUS_ADDRESS": "unix:path=/dev/null"]) { $1 }
    }

    /// - Parameters:
    ///   - profile: the folder of the profile.
    ///   - proxyPort: where ``PageProxy`` listens. The browser's own requests, for updates and the like, go there too and are refused: only
    ///     the page's context is given the password.
    static func arguments(profile: String, proxyPort: Int) -> [String] {
        var arguments = [
            "--headless=new", "--remote-debugging-pipe", "--no-startup-window", "--user-data-dir=\(profile)",
            // No way around the proxy: not for this machine, not by a name, not over UDP.
            "--proxy-server=http://127.0.0.1:\(proxyPort)", "--proxy-bypass-list=<-loopback>",
            "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "--dns-over-https-mode=off", "--disable-quic",
            // The first is the name of the second in earlier versions.
            "--force-webrtc-ip-handling-policy=disable_non_proxied_udp", "--webrtc-ip-handling-policy=disable_non_proxied_udp",
            "--disable-features=\(unwanted.joined(separator: ","))",
            // Nothing that is not the page's.
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-domain-reliability",
            "--disable-client-side-phishing-detection", "--disable-default-apps", "--disable-extensions",
            "--disable-component-extensions-with-background-pages", "--disable-breakpad", "--disable-crash-reporter", "--no-pings",
            "--no-first-run", "--no-default-browser-check", "--disable-search-engine-choice-screen", "--metrics-recording-only",
            // Nothing that asks somebody, opens something or stays.
            "--block-new-web-contents", "--deny-permission-prompts", "--mute-audio", "--password-store=basic", "--use-mock-keychain",
            // What a machine without screen, graphics and much shared memory can do.
            "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--force-color-profile=srgb",
            "--js-flags=--max-old-space-size=512",
        ]
        // Chromium's sandbox refuses to be set up by root.
        if geteuid() == 0 { arguments.append("--no-sandbox") }
        return arguments
    }

    /// Features of Chromium that load or send what no page asked for, or go around the proxy.
    private static let unwanted = [
        "Translate", "OptimizationHints", "MediaRouter", "DialMediaRouteProvider", "AutofillServerCommunication",
        "CertificateTransparencyComponentUpdater", "InterestFeedContentSuggestions", "HttpsUpgrades", "HttpsFirstBalancedModeAutoEnable",
        "AsyncDns", "NetworkPrediction", "Prerender2", "PreconnectToSearch", "WebTransport", "DirectSockets",
    ]
}
