#!lua flags=no-writes
-- held(holder, limit): names, and id, record of each, by ref
local all = call('HGETALL', P .. 'held:' .. ARGS[1])
local refs, ids, found = {}, {}, {}
for place = 1, #all, 2 do
  local ref = tonumber(all[place])
  refs[#refs + 1] = ref
  ids[ref] = all[place + 1]:sub(1, 16)
end
table.sort(refs)
for place = 1, math.min(#refs, ARGS[2]) do
  local id = ids[refs[place]]
  found[#found + 1] = id
  found[#found + 1] = record_of(id)
end
return {call('HGETALL', P .. 'text'), found}
