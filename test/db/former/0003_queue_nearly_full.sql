-- A notification that finds the queue full fails its whole transaction: no session could be ended while somebody's open
-- transaction holds the queue up. Nothing is said before it comes to that; gateways notice the queue sooner, and go by time.
CREATE OR REPLACE FUNCTION "public"."gatehouse_notify"() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  IF pg_notification_queue_usage() > 0.8 THEN
    RETURN NULL;
  ELSIF TG_OP = 'TRUNCATE' THEN
    PERFORM pg_notify('gatehouse', '*');
  ELSIF TG_TABLE_NAME = 'session' THEN
    PERFORM pg_notify('gatehouse', 's' || encode(sha256(convert_to(OLD.token, 'UTF8')), 'hex'));
  ELSE
    PERFORM pg_notify('gatehouse', 'u' || encode(sha256(convert_to(OLD.id, 'UTF8')), 'hex'));
  END IF;
  RETURN NULL;
END
$$;
