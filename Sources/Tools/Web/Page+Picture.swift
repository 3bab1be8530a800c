import Foundation
import HTTPTypes
import ServiceKit

/// A picture of a page.
struct PagePicture: Sendable {
    /// PNG.
    let base64: String
    /// In pixels.
    let width: Int
    let height: Int
    /// Whether the page goes on where the picture ends.
    let isCut: Bool

    var image: ToolResult.Image { ToolResult.Image(base64: base64, mimeType: "image/png") }
}

extension Page {
    /// Past this many pixels a side Chromium draws nothing.
    private static let maxSide = 16_384
    /// Pixels of a picture at the most; each takes four bytes while it is drawn.
    private static let maxPixels = 48_000_000

    /// Draws the whole page, also what is below the window.
    func picture() async throws -> PagePicture {
        let size = try await call("Page.getLayoutMetrics")["cssContentSize"]
        let whole = [size?["width"], size?["height"]].map { max(1, Int(min($0?.doubleValue ?? 1, 1e6).rounded(.up))) }
        let width = min(whole[0], Self.maxSide)
        let height = min(whole[1], Self.maxSide, max(1, Self.maxPixels / width))
        let clip: JSONValue = ["x": 0, "y": 0, "width": .integer(Int64(width)), "height": .integer(Int64(height)), "scale": 1]
        let answer = try await call("Page.captureScreenshot", ["format": "png", "captureBeyondViewport": true, "clip": clip])
        guard let base64 = answer["data"]?.stringValue, !base64.isEmpty else {
            throw ServiceError(.badGateway, code: "browser_failed", "The browser drew nothing.")
        }
        return PagePicture(base64: base64, width: width, height: height, isCut: whole != [width, height])
    }
}
