import Algorithms

/// Conversations that hold words of a query, each with the weight of those it holds.
struct Candidates {
    private typealias Weighed = (id: Int64, weight: Double)
    /// The newest first, each once.
    private var all: [Weighed] = []

    /// Adds a weight to conversations.
    ///
    /// - Parameter ids: the newest first.
    mutating func add(_ ids: [Int64], _ weight: Double) { merge(ids, weight, +) }

    /// Gives conversations a weight, unless they have a greater one.
    ///
    /// - Parameter ids: the newest first.
    mutating func raise(_ ids: [Int64], to weight: Double) { merge(ids, weight, max) }

    mutating func keep(_ isWanted: (Int64) -> Bool) { all.removeAll { !isWanted($0.id) } }

    private mutating func merge(_ ids: [Int64], _ weight: Double, _ combined: (Double, Double) -> Double) {
        var merged: [Weighed] = []
        merged.reserveCapacity(all.count + ids.count)
        var place = 0
        for id in ids {
            while place < all.count, all[place].id > id {
                merged.append(all[place])
                place += 1
            }
            if place < all.count, all[place].id == id {
                merged.append((id, combined(all[place].weight, weight)))
                place += 1
            } else {
                merged.append((id, weight))
            }
        }
        all = merged + all[place...]
    }

    /// Those of the greatest weight, the greatest first; of equals those of a time, then the newest.
    ///
    /// - Parameter time: the numbers between which the conversations of a time lie.
    func best(_ count: Int, favouring time: ClosedRange<Int64>?) -> [Int64] {
        func isLess(_ one: Weighed, _ other: Weighed) -> Bool {
            guard one.weight == other.weight else { return one.weight < other.weight }
            if let time, time.contains(one.id) != time.contains(other.id) { return time.contains(other.id) }
            return one.id < other.id
        }
        return all.max(count: count, sortedBy: isLess).reversed().map(\.id)
    }
}
