-- For wrk: post the JSON documents of a file, line by line, and print what came of it as one line of JSON.
--     wrk -t1 ... -s load.lua URL -- BODIES_FILE

local thread_of_all
local requests, at = {}, 0
answers, refused, others = 0, 0, 0  -- global: `done` asks the thread for them

function setup(thread)
  thread_of_all = thread
end

function init(arguments)
  for line in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format("POST", nil, {["Content-Type"] = "application/json"}, line)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function response(status)
  answers = answers + 1
  if status == 503 then refused = refused + 1
  elseif status ~= 200 then others = others + 1 end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"answers": %d, "refused": %d, "others": %d, "broken": %d, "timeouts": %d, "seconds": %.6f, '
      .. '"p50": %.3f, "p99": %.3f, "max": %.3f}\n',
    thread_of_all:get("answers"), thread_of_all:get("refused"), thread_of_all:get("others"),
    errors.connect + errors.read + errors.write, errors.timeout, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
