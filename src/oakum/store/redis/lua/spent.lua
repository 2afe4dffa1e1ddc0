#!lua flags=no-writes
-- spent(now): see Store.spent
return spent_rates(ARGS[1])
