-- Sends lists or events at a given rate, and nothing in the last two seconds, so that every answer is counted.
-- wrk's arguments: "lists" or "events", requests a second, seconds, the numbers of users and movies, events in a request.
-- Users and movies are those of generated.py: 7, 14, 21, ...
local ffi = require("ffi")
ffi.cdef("typedef struct { long s; long ns; } moment; int clock_gettime(int clock, moment *now);")
local moment = ffi.new("moment")
local interval, last, due, kind, users, movies, size
local number, run = 0, os.time() .. "-"

local function now()
  ffi.C.clock_gettime(1, moment)
  return tonumber(moment.s) * 1000 + tonumber(moment.ns) / 1e6
end

function init(arguments)
  kind, users, movies = arguments[1], tonumber(arguments[4]), tonumber(arguments[5])
  size = tonumber(arguments[6])
  interval, due = 1000 / tonumber(arguments[2]), now()
  last = due + 1000 * tonumber(arguments[3])
  math.randomseed(os.time())
  wrk.method, wrk.headers["Content-Type"] = "POST", "application/json"
end

-- Milliseconds. Requests that are late are sent at once, so that the rate holds on the whole.
function delay()
  due = due + interval
  return due > last and 1e9 or math.max(0, due - now())
end

local function events()
  local made = {}
  for place = 1, size do
    number = number + 1
    made[place] = string.format('{"user_id":%d,"movie_id":%d,"type":"rating","rating":%d,"key":"%s%d"}',
      7 * math.random(users), 7 * math.random(movies), math.random(5), run, number)
  end
  return wrk.format(nil, "/api/feedback", nil, '{"events":[' .. table.concat(made, ",") .. "]}")
end

function request()
  if kind == "events" then return events() end
  return wrk.format(nil, "/api/predictions/mf", nil, string.format('{"user_id":%d,"k":10}', 7 * math.random(users)))
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('{"requests": %d, "errors": %d, "p50_ms": %.2f, "p99_ms": %.2f, "max_ms": %.2f}\n',
    summary.requests - errors.status, errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000))
end
