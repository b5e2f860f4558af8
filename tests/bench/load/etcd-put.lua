-- POST /v3/kv/put of a value as long as the body of a registration, to as many keys. The gateway wants base64.
local nodes, first, count = 10000, 0, 0
local headers = { ["Content-Type"] = "application/json" }
local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local value

local function encode(text)
  local out = {}
  for at = 1, #text, 3 do
    local a, b, c = text:byte(at, at + 2)
    local bits = a * 65536 + (b or 0) * 256 + (c or 0)
    local chars = {}
    for shift = 3, 0, -1 do
      local index = math.floor(bits / 64 ^ shift) % 64 + 1
      chars[#chars + 1] = alphabet:sub(index, index)
    end
    if not c then chars[4] = "=" end
    if not b then chars[3] = "=" end
    out[#out + 1] = table.concat(chars)
  end
  return table.concat(out)
end

-- Keys are encoded once: that is not part of what is measured.
local keys = {}

function init(args)
  nodes = tonumber(args[1]) or nodes
  first = tonumber(args[2]) or first
  value = encode(string.rep("v", 200))
  for number = 0, math.min(nodes, 200000) - 1 do
    keys[number] = encode(string.format("node-%06d", first + number))
  end
end

function request()
  local key = keys[count % nodes]
  count = count + 1
  return wrk.format("POST", "/v3/kv/put", headers, '{"key":"' .. key .. '","value":"' .. value .. '"}')
end
