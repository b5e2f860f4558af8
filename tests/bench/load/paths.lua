-- GETs whose heads differ: PREFIX/item-N with N going round. Arguments: the prefix, how many.
local requests, count, at = {}, 10000, 0

function init(args)
  count = tonumber(args[2]) or count
  for i = 1, count do requests[i] = wrk.format("GET", string.format("%s/item-%06d", args[1], i)) end
end

function request()
  at = at % count + 1
  return requests[at]
end
