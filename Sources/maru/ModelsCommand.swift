import ArgumentParser
import Foundation
import Inference
import ServiceKit
import Suite
import SystemPackage

/// `maru models`.
struct ModelsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "models", abstract: "Model files: what there is, fetching, checking, removing.",
        subcommands: [List.self, Pull.self, Verify.self, Remove.self, Plan.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the models that can be had, and which are there.")

        @Flag(help: "Print JSON.") var json = false

        private struct Row: Encodable {
            let name: String
            let file: String
            let bytes: Int64
            let roles: [String]
            let licence: String
            let present: Bool
            let inUse: [String]
        }
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let store = ModelStore(settings: try await given.load())
            var chosen: [String: [String]] = [:]
            for role in ModelRole.allCases { chosen[await store.chosen(for: role).file, default: []].append(role.rawValue) }
            let rows = ModelCatalogue.all.map { model in
                Row(
                    name: model.name, file: model.file, bytes: model.size, roles: model.roles.map(\.rawValue), licence: model.licence,
                    present: FileManager.default.fileExists(atPath: store.folder.appending(model.file).string),
                    inUse: chosen[model.file] ?? [])
            }
            if json { return print(String(decoding: try JSONEncoder.sorted.encode(rows), as: UTF8.self)) }
            print(
                Table(["MODEL", "SIZE", "ROLES", "LICENCE", "HERE", "IN USE FOR"]).rows(
                    rows.map { row in
                        [
                            row.name, row.bytes.formatted(.byteCount(style: .file)), row.roles.joined(separator: ","), row.licence,
                            row.present ? "yes" : "", row.inUse.joined(separator: ","),
                        ]
                    }))
        }
    }

    struct Pull: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Fetch models; goes on where an earlier fetch was cut, and checks what came.")

        @Argument(help: "Names of `maru models list`.") var names: [String] = []
        @Flag(name: .customLong("default"), help: "The models that this machine's chat, code and embedding use.") var defaults = false
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let store = ModelStore(settings: try await given.load())
            var wanted = names
            if defaults || names.isEmpty { for role in ModelRole.allCases { wanted.append(await store.chosen(for: role).name) } }
            var seen = Set<String>()
            for name in wanted where seen.insert(name).inserted {
                guard let model = ModelCatalogue.named(name) else {
                    throw CommandError("There is no model “\(name)” in the catalogue. See: maru models list")
                }
                let line = ProgressLine(model.name)
                let path = try await ModelPull(store: store).fetch(model) { line.show($0.bytes, of: $0.total, note: $0.source) }
                line.finish()
                print("\(model.name): \(path)")
            }
        }
    }

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Check structure, size and SHA-256 of model files.")

        @Argument(help: "Names of `maru models list`; without one, the models in use.") var names: [String] = []
        @Flag(help: "Compute checksums anew even where nothing changed since the last time.") var full = false
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let store = ModelStore(settings: try await given.load())
            var failures = 0
            var wanted = names.map { ModelCatalogue.named($0)?.file ?? $0 }
            if names.isEmpty { for role in ModelRole.allCases { wanted.append(await store.chosen(for: role).file) } }
            for file in Set(wanted).sorted() {
                do {
                    print("✅ \(file): \(try await store.verify(store.folder.appending(file), full: full).summary)")
                } catch {
                    failures += 1
                    print("❌ \(file): \(error)")
                }
            }
            if failures > 0 { throw ExitCode.failure }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Remove a model file.")

        @Argument(help: "A name of `maru models list`.") var name: String
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let store = ModelStore(settings: try await given.load())
            guard let model = ModelCatalogue.named(name) else { throw CommandError("There is no model “\(name)”. See: maru models list") }
            let path = store.folder.appending(model.file)
            guard FileManager.default.fileExists(atPath: path.string) else { throw CommandError("\(path) is not there.") }
            try FileManager.default.removeItem(atPath: path.string)
            // What may lie beside it.
            for suffix in [".part", ".verified"] { try? FileManager.default.removeItem(atPath: path.string + suffix) }
            print("Removed \(path).")
        }
    }

    struct Plan: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show how the models in use share this machine's memory.",
            discussion: """
                The services run their engines as this plan says. A model that is not fetched yet counts as the catalogue describes it. The
                exit code is 1 when the models do not fit.
                """)

        @Flag(help: "Print JSON.") var json = false
        @OptionGroup var given: SettingFlags

        private struct Output: Encodable {
            let machine: Machine
            let plan: MemoryPlan
            let fits: Bool
        }

        func run() async throws {
            let settings = try await given.load()
            // Without an engine the plan is for one that can use the GPU.
            let engine = try? await EngineDiscovery(settings: settings).existing()
            let here = await Machine.current()
            let machine = engine.map(here.seen(by:)) ?? here
            let plan = await ModelStore(settings: settings).plan(for: machine)
            if json {
                print(String(decoding: try JSONEncoder.sorted.encode(Output(machine: machine, plan: plan, fits: plan.fits)), as: UTF8.self))
            } else {
                show(plan, machine, hasUnusedGPU: here.hasGPU && !machine.hasGPU)
            }
            if !plan.fits { throw ExitCode.failure }
        }

        private func show(_ plan: MemoryPlan, _ machine: Machine, hasUnusedGPU: Bool) {
            let rows = plan.shares.map { share in
                [
                    share.role.rawValue, share.model, share.weights.inMiB, share.kvCache.inMiB, "\(share.context)",
                    "\(share.gpuLayers) / \(share.layers)", "\(share.threads)", share.ram.inMiB, share.vram.inMiB,
                ]
            }
            let total = ["total", "", "", "", "", "", "", plan.ram.inMiB, plan.vram.inMiB]
            let limit = ["can be had", "", "", "", "", "", "", plan.ramLimit.inMiB, plan.vramLimit.inMiB]
            let memory = Int64(clamping: machine.memory).inMiB
            let gpus = machine.gpuMemory.map { Int64(clamping: $0).inMiB }.joined(separator: ", ")
            print("\(machine.physicalCores) cores, \(memory) memory, " + (gpus.isEmpty ? "no GPU" : "GPU: \(gpus)"))
            if hasUnusedGPU { print("The engine in use computes on the CPU alone; LLAMA_SERVER can name one that was built for the GPU.") }
            print(
                Table(["ROLE", "MODEL", "WEIGHTS", "KV CACHE", "CONTEXT", "GPU LAYERS", "THREADS", "RAM", "VRAM"])
                    .rows(rows + [total, limit]))
            for line in plan.notes { print("• \(line)") }
            for line in plan.problems { print("❌ \(line)") }
        }
    }
}
