-- Tells every gateway that listens that a session or a user is not what it was. Any role may listen, so the payload is a
-- hash; any role may notify, so a listener takes it as a hint to read again and never as an order.
CREATE FUNCTION "public"."gatehouse_notify"() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    PERFORM pg_notify('gatehouse', '*');
  ELSIF TG_TABLE_NAME = 'session' THEN
    PERFORM pg_notify('gatehouse', 's' || encode(sha256(convert_to(OLD.token, 'UTF8')), 'hex'));
  ELSE
    PERFORM pg_notify('gatehouse', 'u' || encode(sha256(convert_to(OLD.id, 'UTF8')), 'hex'));
  END IF;
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER "gatehouse_session_changed" AFTER UPDATE OR DELETE ON "public"."session"
  FOR EACH ROW EXECUTE FUNCTION "public"."gatehouse_notify"();
--> statement-breakpoint
CREATE TRIGGER "gatehouse_sessions_truncated" AFTER TRUNCATE ON "public"."session"
  FOR EACH STATEMENT EXECUTE FUNCTION "public"."gatehouse_notify"();
--> statement-breakpoint
CREATE TRIGGER "gatehouse_user_changed" AFTER UPDATE OR DELETE ON "public"."user"
  FOR EACH ROW EXECUTE FUNCTION "public"."gatehouse_notify"();
