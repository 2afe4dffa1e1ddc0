#!lua flags=no-writes
-- lookup(ids): names, and id, record of each that is there
local found, named = {}, {}
for _, id in ipairs(ARGS[1]) do
  local raw = record_of(id)
  if raw then
    local job = unpack_job(id, raw)
    named[job.queue], named[job.task] = true, true
    found[#found + 1] = id
    found[#found + 1] = raw
  end
end
return {names_of(named), found}
