-- PUT /v1/catalog/register of one instance each. Arguments: how many nodes to go round, the number of the first one.
-- A node that comes again has another port, so that every write changes something.
local nodes, first, count = 10000, 0, 0
local headers = { ["Content-Type"] = "application/json" }

function init(args)
  nodes = tonumber(args[1]) or nodes
  first = tonumber(args[2]) or first
  math.randomseed(os.time())
  count = math.random(0, 50000) * nodes
end

function request()
  local node = first + count % nodes
  local port = 1 + math.floor(count / nodes) % 60000
  count = count + 1
  local body = string.format(
    '{"Node":"node-%06d","Address":"10.0.0.1","Service":{"ID":"web-1","Service":"svc-%03d","Port":%d,"Tags":["v1"],"Meta":{"version":"1.2.3","zone":"eu-central-1a","owner":"team-payments"}}}',
    node, node % 1000, port)
  return wrk.format("PUT", "/v1/catalog/register", headers, body)
end
