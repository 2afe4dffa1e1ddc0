#!lua flags=no-writes
-- given_keys(kind, cursor): where to go on, and {key, id, its seq (0: not kept), when it is given back} of some keys
local kind, cursor = unpack(ARGS)
local on, all = unpack(call('HSCAN', P .. kind, cursor, 'COUNT', 500))
local found = {}
for place = 1, #all, 2 do
  local key, id = all[place], all[place + 1]
  local job = get(id)
  found[#found + 1] = {key, id, job and job.seq or 0, kind == 'idempotency' and call('ZSCORE', P .. 'stale', key)}
end
return {on, found}
