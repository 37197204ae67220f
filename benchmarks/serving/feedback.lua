-- Batches of events with keys of their own, by random users; wrk's arguments: the number of events in a request.
local number, thread, size = 0, 0, 1
local threads = 0

function setup(new) new:set("thread", threads); threads = threads + 1 end

function init(arguments)
  size = tonumber(arguments[1])
  math.randomseed(os.time() + thread)
  wrk.method, wrk.headers["Content-Type"] = "POST", "application/json"
  run = os.time() .. "-" .. thread .. "-"
end

function request()
  local events = {}
  for place = 1, size do
    number = number + 1
    events[place] = string.format('{"user_id":%d,"movie_id":%d,"type":"rating","rating":%d,"key":"%s%d"}',
      math.random(100000), math.random(1682), math.random(5), run, number)
  end
  return wrk.format(nil, "/api/feedback", nil, '{"events":[' .. table.concat(events, ",") .. "]}")
end
