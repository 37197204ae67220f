-- Lists for random users.
function init() wrk.method, wrk.headers["Content-Type"] = "POST", "application/json" end

function request()
  return wrk.format(nil, "/api/predictions/fm", nil, string.format('{"user_id":%d,"k":10}', math.random(100000)))
end
