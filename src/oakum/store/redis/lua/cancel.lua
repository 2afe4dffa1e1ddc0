#!lua flags=allow-oom
-- cancel(ids, now, cancelled): see Store.cancel; answers id, state, id, state...
local ids, now, cancelled = unpack(ARGS)
local states = {}
for _, id in ipairs(ids) do
  local job = get(id)
  if job then
    if job.state == RUNNING then
      set(job, CANCEL, true)
      put(job)
      call('SADD', P .. 'asked:' .. job.holder, job.seq)
    elseif job.state < COMPLETED then
      end_waiting(job, cancelled, now)
    end
    states[#states + 1] = id
    states[#states + 1] = job.state
  end
end
flush()
ring('work')
ring('results')
ring('room')
return states
