#!lua flags=allow-oom
-- forget(ids, now): see Store.forget
local ids, now = unpack(ARGS)
local forgotten = 0
for _, id in ipairs(ids) do
  local job = get(id)
  local keep = job and tonumber(call('ZSCORE', P .. 'ended', seat(job)) or nil)
  if keep and keep > now then
    call('ZADD', P .. 'ended', now, seat(job))
    forgotten = forgotten + 1
  end
end
return forgotten
