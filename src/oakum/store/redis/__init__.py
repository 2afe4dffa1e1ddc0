"""The store on Redis or Valkey, for many hosts: a Lua script for each verb, all keys in one slot."""
