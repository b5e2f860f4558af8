-- POST /v3/kv/range of one prefix. Arguments: the base64 of its first key and of the key behind its last, and whether the
-- read is serializable (answered from the server's own memory) or linearizable.
local body
local headers = { ["Content-Type"] = "application/json" }

function init(args)
  body = string.format('{"key":"%s","range_end":"%s","serializable":%s}', args[1], args[2], args[3])
end

function request()
  return wrk.format("POST", "/v3/kv/range", headers, body)
end
