#!lua flags=allow-oom
-- pack_pages(above, limit): puts the jobs of neighbouring pages that are together no more than one into one, `limit` pages at a
-- time; where to go on, or false
local above, limit = unpack(ARGS)
local pages = call('ZRANGEBYLEX', P .. 'pages', above, '+', 'LIMIT', 0, limit)
local into = pages[1]
for place = 2, #pages do
  local from = pages[place]
  local first, second = P .. 'page:' .. into, P .. 'page:' .. from
  if call('HLEN', first) + call('HLEN', second) <= PAGE then
    many('HSET', first, call('HGETALL', second))
    call('DEL', second)
    call('ZREM', P .. 'pages', from)
  else
    into = from
  end
end
return #pages == limit and into or false
