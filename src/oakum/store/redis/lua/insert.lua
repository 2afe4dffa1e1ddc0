#!lua
-- insert(names, jobs, now, dropped): see Store.insert; marks, or a refusal
local names, rows, now, dropped = unpack(ARGS)
local plan, refused = plan_insert(names, rows, now, dropped)
if not plan then
  return {refused}
end
local marks = insert(plan, now)
ring('work')
return {false, marks}
