-- Housekeeping finds what has expired without reading the table. Not in schema.ts: BetterAuth's tables do not have them.
CREATE INDEX IF NOT EXISTS "session_expires_at_idx" ON "public"."session" USING btree ("expires_at");
--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "verification_expires_at_idx" ON "public"."verification" USING btree ("expires_at");
