-- As load.lua, for lines that are not all good requests: counts answers by the first digit of their status.
dofile(os.getenv("LOAD"))

local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
end

refused, failed = 0, 0

function response(status)
  if status >= 500 then
    failed = failed + 1
  elseif status >= 400 then
    refused = refused + 1
  end
end

function done(summary)
  local errors, refusals, failures = summary.errors, 0, 0
  for _, thread in ipairs(threads) do
    refusals, failures = refusals + thread:get("refused"), failures + thread:get("failed")
  end
  io.write(string.format(
    '{"requests": %d, "seconds": %.1f, "refused": %d, "failed": %d, "unanswered": %d}\n',
    summary.requests, summary.duration / 1e6, refusals, failures,
    errors.connect + errors.read + errors.write + errors.timeout
  ))
end
