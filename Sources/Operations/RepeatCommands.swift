import Suite

/// Beginnings of the shell commands by which anyone can repeat a check.
extension Settings {
    /// `curl` with the key that this stack's services ask for; in development mode they let local callers in without.
    var curl: String {
        guard self[SettingKeys.securityMode] == .production else { return "curl -fsS" }
        return #"curl -fsS -H "authorization: Bearer $(cat \#(dataFolders.secrets)/admin.key)""#
    }

    /// `curl` up to the address of the vector store in use: this stack's, or the one that `QDRANT_URL` names.
    var storeCurl: String {
        let elsewhere = self[SettingKeys.qdrantURL]
        guard !elsewhere.isEmpty else { return "\(curl) \(baseURL(of: .qdrant))" }
        return self[SettingKeys.qdrantAPIKey].isEmpty
            ? "curl -fsS \(elsewhere)" : #"curl -fsS -H "authorization: Bearer $QDRANT_API_KEY" \#(elsewhere)"#
    }

    /// The head of a loop over the store's collections; `$c` is the name.
    var eachCollection: String {
        #"for c in $(\#(storeCurl)/collections | grep -o '"name":"[^"]*"' | cut -d'"' -f4); do"#
    }
}
