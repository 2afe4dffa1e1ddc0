-- Rules of queues and tasks, and how many of their jobs may start now.

-- {max_jobs, max_bytes, on_full, limit, rate, key_limit, key_rate} in force; empty where nothing is bounded.
local function rules_of(kind, name)
  local packed = call('HGET', P .. 'override:' .. kind, name) or call('HGET', P .. 'declared:' .. kind, name)
  local rules = packed and cmsgpack.unpack(packed) or {}
  return {
    max_jobs = rules[1], max_bytes = rules[2], on_full = rules[3], limit = rules[4], rate = rules[5],
    key_limit = rules[6] or 1, key_rate = rules[7],
  }
end

-- The generic cell rate algorithm, as in oakum.model.bounds; `rate` is {count, period}.
local function arrival_of(field)
  return tonumber(call('HGET', P .. 'arrivals', field) or 0)
end

local function may_start(rate, arrival, now)
  local step = rate[2] / rate[1]
  local free = math.floor((now + rate[2] - math.max(arrival, now)) / step + 1e-9)
  return math.max(0, math.min(rate[1], free))
end

local function note_starts(rate, field, now, starts)
  local arrival = math.max(arrival_of(field), now) + starts * rate[2] / rate[1]
  call('HSET', P .. 'arrivals', field, string.format('%.17g', arrival))
end

local function opens(rate, arrival)
  return arrival - rate[2] + rate[2] / rate[1]
end

-- How many jobs of a queue or task may start: asked once a call, and counted down.
local allowances = {}

local function allowance(kind, number, name, now)
  local field = kind .. ':' .. number
  if not allowances[field] then
    local rules = rules_of(kind, name)
    local left = math.huge
    if rules.limit then
      left = rules.limit - load(kind, number)
    end
    if rules.rate then
      left = math.min(left, may_start(rules.rate, arrival_of(field), now))
    end
    allowances[field] = {field = field, left = left, rate = rules.rate, started = 0}
  end
  return allowances[field]
end

local function use(allowed)
  allowed.left, allowed.started = allowed.left - 1, allowed.started + 1
end

local function note_rates(now)
  for field, allowed in pairs(allowances) do
    if allowed.rate and allowed.started > 0 then
      note_starts(allowed.rate, field, now, allowed.started)
    end
  end
end
