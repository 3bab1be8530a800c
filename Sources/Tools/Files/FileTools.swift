/// The tools that read and write files of the workspace.
public enum FileTools {
    public static func all(_ workspace: Workspace) -> [any Tool] {
        [
            ReadFile(workspace: workspace), WriteFile(workspace: workspace), ListFiles(workspace: workspace),
            CreateDirectory(workspace: workspace), SearchFiles(workspace: workspace),
        ]
    }
}
