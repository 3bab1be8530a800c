/// The tools that work with git repositories of the workspace.
public enum GitTools {
    public static func all(_ workspace: Workspace) -> [any Tool] {
        [
            GitStatus(workspace: workspace), GitLog(workspace: workspace), GitDiff(workspace: workspace), GitAdd(workspace: workspace),
            GitCommit(workspace: workspace),
        ]
    }
}
