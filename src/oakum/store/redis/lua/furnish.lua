#!lua
-- furnish(rules, spent, schedules, memos, stats, paused, gone): puts everything in place that is neither a job nor a key
check_arriving()
local rules, spent, schedules, memos, stats, paused, gone = unpack(ARGS)

local function replace_all(key, pairs_)
  call('DEL', P .. key)
  many('HSET', P .. key, pairs_)
end

for _, row in ipairs(rules) do
  local kind, name, declared, override = unpack(row, 1, 4)
  if declared then
    call('HSET', P .. 'declared:' .. kind, name, declared)
  end
  if override then
    call('HSET', P .. 'override:' .. kind, name, override)
  end
  if kind == 'queue' and is_tracked(rules_of(kind, name)) then
    call('SADD', P .. 'tracked', name)
  end
end
call('DEL', P .. 'arrivals', P .. 'schedule', P .. 'schedules', P .. 'ticks', P .. 'paused')
for _, row in ipairs(spent) do
  local kind, name, key, arrival = unpack(row, 1, 4)
  local field = (key and 'key' or kind) .. ':' .. make_number(name) .. (key and ':' .. key or '')
  call('ZADD', P .. 'arrivals', string.format('%.17g', arrival), field)
end
for _, row in ipairs(schedules) do
  local name, version, next_tick, spec, state = unpack(row, 1, 5)
  call('HSET', P .. 'schedule', name, struct.pack('>I8I8I4', version, next_tick or 0, #spec) .. spec .. state)
  call('ZADD', P .. 'schedules', 0, name)
  if next_tick then
    call('ZADD', P .. 'ticks', next_tick, name)
  end
end
many('HSET', P .. 'memo', memos)
replace_all('stats', stats)
many('SADD', P .. 'paused', paused)
local pruned = {}
for _, row in ipairs(gone) do
  pruned[#pruned + 1] = make_number(row[1]) .. ':' .. make_number(row[2])
  pruned[#pruned + 1] = row[3]
end
replace_all('gone', pruned)
