import Foundation
import SystemPackage

/// How a run is started: a shell joins the run's control group, opens what only the owner of this process may open, and becomes
/// bubblewrap, which builds the sandbox and starts the program in it.
///
/// Files are handed over as open descriptors since bubblewrap may run as a user who cannot reach them: limits on processes do not hold for
/// root (setrlimit(2)), so root gives the run to a user that exists for it alone.
struct Launch: Sendable {
    /// Where a run's filter of system calls lies, and where bubblewrap writes how it went.
    let filter: FilePath
    let status: FilePath
    let group: ControlGroup?
    /// The user that root gives the run to.
    let user: Int?
    let run: SandboxRun

    /// What a shell does with the arguments of ``arguments``. Numbers of descriptors stay below ten: all that a POSIX shell must know.
    private static let script = """
        while [ "$1" != -- ]; do echo $$ >"$1" || exit 125; shift; done
        shift
        exec 9<"$1" 8<"$2" 6>"$3" || exit 125
        shift 3
        exec 5<<'.'
        sandbox:x:1000:1000::/tmp:/bin/sh
        .
        exec "$@"
        """
    /// A descriptor of a folder outside would be a way out of the sandbox: none is left open for the program.
    private static let closing = "exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; exec prlimit \"$@\""

    /// Arguments of `/bin/sh`.
    var arguments: [String] {
        var arguments = ["-c", Self.script, "maru-sandbox"]
        arguments += (group?.doors ?? []).map(\.string) + ["--", filter.string, run.view?.root.string ?? "/dev/null", status.string]
        if let user { arguments += ["setpriv", "--reuid=\(user)", "--regid=\(user)", "--clear-groups", "--"] }
        arguments += ["bwrap", "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--disable-userns"]
        arguments += ["--uid", "1000", "--gid", "1000", "--cap-drop", "ALL", "--hostname", "sandbox", "--seccomp", "9"]
        arguments += ["--json-status-fd", "6", "--clearenv"]
        for (name, value) in environment { arguments += ["--setenv", name, value] }
        arguments += system + scratch + view + ["--remount-ro", "/", "--"]
        arguments += ["/bin/sh", "-c", Self.closing, "prlimit"] + limits + ["--"] + run.command
        return arguments
    }

    private var environment: [(String, String)] {
        [
            ("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"), ("HOME", "/tmp"), ("TMPDIR", "/tmp"),
            ("LANG", "C.UTF-8"), ("USER", "sandbox"), ("PYTHONDONTWRITEBYTECODE", "1"),
            // The workspace belongs to somebody else, as seen from here; git would not look at it.
            ("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "safe.directory"), ("GIT_CONFIG_VALUE_0", "*"),
        ]
    }

    /// Programs and libraries, to be read.
    private var system: [String] {
        var arguments = ["--ro-bind", "/usr", "/usr"]
        for name in ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"] {
            if let target = try? FileManager.default.destinationOfSymbolicLink(atPath: name) {
                arguments += ["--symlink", target, name]
            } else {
                arguments += ["--ro-bind-try", name, name]
            }
        }
        for name in ["/etc/alternatives", "/etc/ld.so.cache", "/etc/localtime"] { arguments += ["--ro-bind-try", name, name] }
        return arguments + ["--ro-bind-data", "5", "/etc/passwd"]
    }

    /// What can be written: in memory, bounded, gone with the run.
    private var scratch: [String] {
        [
            "--proc", "/proc", "--dev", "/dev", "--size", "\(run.limits.scratch)", "--tmpfs", "/dev/shm", "--remount-ro", "/dev",
            "--size", "\(run.limits.scratch)", "--tmpfs", "/tmp",
        ]
    }

    private var view: [String] {
        guard let view = run.view else { return ["--chdir", "/tmp"] }
        var arguments = ["--ro-bind", "/proc/self/fd/8", view.root.string]
        for hidden in view.hidden {
            arguments +=
                hidden.isFolder
                ? ["--size", "4096", "--tmpfs", hidden.path.string, "--remount-ro", hidden.path.string]
                : ["--ro-bind", "/dev/null", hidden.path.string]
        }
        return arguments + ["--chdir", view.workingFolder.string]
    }

    private var limits: [String] {
        let limits = run.limits
        var arguments = [
            "--nproc=\(limits.processes + (group == nil ? 0 : 8))", "--nofile=256", "--fsize=\(limits.fileSize)",
            "--cpu=\(limits.cpuSeconds):\(limits.cpuSeconds + 1)",
            "--core=0", "--memlock=65536", "--msgqueue=0", "--rtprio=0",
        ]
        if group == nil { arguments.append("--as=\(limits.memory)") }
        return arguments
    }
}
