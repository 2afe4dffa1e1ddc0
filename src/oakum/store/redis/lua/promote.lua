#!lua flags=allow-oom
-- promote(now, limit, expired): see Store.promote
return promote(unpack(ARGS))
