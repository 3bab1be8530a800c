import Foundation
import ServiceKit
import SystemPackage

/// A process in a session of its own, which outlives this one: a terminal that closes, or Ctrl-C in it, does not reach it.
///
/// Foundation's `Process` makes its child the leader of a process group, and such a one can begin no session any more.
struct SessionProcess {
    private let identity: ProcessIdentity?

    /// Starts a program.
    ///
    /// - Parameter output: the file to which standard output and error are appended; standard input is empty.
    /// - Throws: ``SupervisionError`` when it cannot be started.
    init(_ program: FilePath, arguments: [String], environment: [String: String], output: FilePath) throws {
        #if canImport(Darwin)
            var actions: posix_spawn_file_actions_t?
            var attributes: posix_spawnattr_t?
            let ownSession = POSIX_SPAWN_SETSID
        #else
            var actions = posix_spawn_file_actions_t()
            var attributes = posix_spawnattr_t()
            // POSIX_SPAWN_SETSID of <spawn.h>, which Swift is not shown.
            let ownSession: Int32 = 0x80
        #endif
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output.string, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // The threads that tasks run on block signals, and a child would inherit that.
        var blocked = sigset_t()
        sigemptyset(&blocked)
        posix_spawnattr_setsigmask(&attributes, &blocked)
        posix_spawnattr_setflags(&attributes, Int16(ownSession | Int32(POSIX_SPAWN_SETSIGMASK)))

        var argv = ([program.string] + arguments).map { strdup($0) } + [nil]
        var envp = environment.map { strdup("\($0)=\($1)") } + [nil]
        defer { for text in argv + envp { free(text) } }
        var pid: pid_t = 0
        let failure = posix_spawn(&pid, program.string, &actions, &attributes, &argv, &envp)
        guard failure == 0 else { throw SupervisionError("\(program) cannot be started: \(Errno(rawValue: failure))") }
        identity = ProcessIdentity(pid: pid)
    }

    /// Whether it has not ended.
    var isRunning: Bool { identity?.isAlive == true }
}
