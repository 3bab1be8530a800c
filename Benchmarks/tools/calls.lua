-- Calls of tools for wrk: many users take turns, each with a key of its own and never past the limits of the two tools that it calls.
-- KEYS: a file with a key a line. THREADS: how many of wrk's threads share them.

-- Of 30 calls of a user, so many read a file and the rest list a folder: after 180 calls in a minute 114 of 120 and 66 of 70 are made.
local READS, ROUND, ROUNDS = 19, 30, 180

local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

local reads, lists, position = {}, {}, 0

function init()
  local line_number = 0
  for key in io.lines(os.getenv("KEYS")) do
    if line_number % tonumber(os.getenv("THREADS")) == number then
      local headers = { ["Authorization"] = "Bearer " .. key, ["Content-Type"] = "application/json" }
      table.insert(reads, wrk.format("POST", "/tools/read_file/call", headers, '{"path":"README.md"}'))
      table.insert(lists, wrk.format("POST", "/tools/list_files/call", headers, '{"path":"src"}'))
    end
    line_number = line_number + 1
  end
end

function request()
  local round = math.floor(position / #reads)
  local user = position % #reads + 1
  position = position + 1
  if round >= ROUNDS then
    -- The minute's calls are used up.
    wrk.thread:stop()
    return reads[user]
  end
  return (round % ROUND < READS and reads or lists)[user]
end

function done(summary, latency)
  io.write(string.format(
    'JSON {"requests":%d,"seconds":%.3f,"p50_ms":%.3f,"p95_ms":%.3f,"p99_ms":%.3f,"max_ms":%.3f,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3,
    latency.max / 1e3, summary.errors.status, summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
