/// Names of other scripts in ASCII (RFC 3492, 6.3).
enum Punycode {
    static func encoded(_ input: [UInt32]) -> String {
        let basic = input.filter { $0 < 0x80 }
        var output = basic.map { UInt8($0) }
        if !basic.isEmpty { output.append(UInt8(ascii: "-")) }
        var handled = basic.count
        var (current, delta, bias): (UInt32, UInt64, UInt64) = (0x80, 0, 72)
        while handled < input.count, let next = input.filter({ $0 >= current }).min() {
            delta += UInt64(next - current) * UInt64(handled + 1)
            current = next
            for point in input {
                if point < current { delta += 1 }
                guard point == current else { continue }
                append(delta, bias: bias, to: &output)
                bias = adapted(delta, points: UInt64(handled + 1), isFirst: handled == basic.count)
                delta = 0
                handled += 1
            }
            delta += 1
            current += 1
        }
        return String(decoding: output, as: UTF8.self)
    }

    /// A number of variable length, 36 digits, lowest first.
    private static func append(_ delta: UInt64, bias: UInt64, to output: inout [UInt8]) {
        var rest = delta
        var k: UInt64 = 36
        while true {
            let threshold = k <= bias ? 1 : min(k - bias, 26)
            guard rest >= threshold else { break }
            output.append(digit(threshold + (rest - threshold) % (36 - threshold)))
            rest = (rest - threshold) / (36 - threshold)
            k += 36
        }
        output.append(digit(rest))
    }

    private static func digit(_ value: UInt64) -> UInt8 { UInt8(value) + (value < 26 ? UInt8(ascii: "a") : UInt8(ascii: "0") - 26) }

    private static func adapted(_ delta: UInt64, points: UInt64, isFirst: Bool) -> UInt64 {
        var delta = delta / (isFirst ? 700 : 2)
        delta += delta / points
        var k: UInt64 = 0
        while delta > 455 {
            delta /= 35
            k += 36
        }
        return k + 36 * delta / (delta + 38)
    }
}
