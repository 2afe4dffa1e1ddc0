#!lua flags=no-writes
-- lookup(ids): names, and id, record of each that is there
local found = {}
for _, id in ipairs(ARGS[1]) do
  local raw = record_of(id)
  if raw then
    found[#found + 1] = id
    found[#found + 1] = raw
  end
end
return {call('HGETALL', P .. 'text'), found}
