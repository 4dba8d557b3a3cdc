import de.fraunhofer.iosb.ilt.sta.StatusCodeException;
import de.fraunhofer.iosb.ilt.sta.model.Datastream;
import de.fraunhofer.iosb.ilt.sta.model.EntityType;
import de.fraunhofer.iosb.ilt.sta.model.Location;
import de.fraunhofer.iosb.ilt.sta.model.Observation;
import de.fraunhofer.iosb.ilt.sta.model.Thing;
import de.fraunhofer.iosb.ilt.sta.model.TimeObject;
import de.fraunhofer.iosb.ilt.sta.model.builder.ObservationBuilder;
import de.fraunhofer.iosb.ilt.sta.model.ext.EntityList;
import de.fraunhofer.iosb.ilt.sta.query.ExpandedEntity;
import de.fraunhofer.iosb.ilt.sta.query.Expansion;
import de.fraunhofer.iosb.ilt.sta.service.SensorThingsService;
import java.math.BigDecimal;
import java.net.URL;
import java.time.ZonedDateTime;
import java.util.Iterator;

/**
 * Asks a hub through Fraunhofer's client, as a program that was written for FROST does, and prints what it got, a line each.
 * Arguments: the service, a device, one of its metrics, a moment that has no Observation yet.
 */
public class AsksAHub {
    public static void main(String[] arguments) throws Exception {
        SensorThingsService service = new SensorThingsService(new URL(arguments[0]));
        int things = 0;
        Iterator<Thing> paged = service.things().query().count().top(1).list().fullIterator();
        for (; paged.hasNext(); paged.next()) {
            things++;
        }
        System.out.println("things " + things);

        Thing thing = service.things().query().filter("properties/device eq '" + arguments[1] + "'").first();
        Expansion withLocations = Expansion.of(EntityType.THING).with(ExpandedEntity.from(EntityType.LOCATIONS));
        for (Location location : service.things().find(thing.getId(), withLocations).getLocations()) {
            System.out.println("location " + location.getName() + " " + location.getLocation().getClass().getSimpleName());
        }

        Datastream wanted = null;
        for (Datastream stream : thing.datastreams().query().orderBy("name").list()) {
            String metric = stream.getObservedProperty().getName();
            System.out.println("datastream " + metric + " " + stream.getUnitOfMeasurement().getSymbol());
            wanted = metric.equals(arguments[2]) ? stream : wanted;
        }
        EntityList<Observation> page = wanted.observations().query().count().top(5)
            .orderBy("phenomenonTime asc").filter("result gt 0.01").list();
        Observation first = null;
        int observations = 0;
        for (Iterator<Observation> each = page.fullIterator(); each.hasNext(); observations++) {
            Observation one = each.next();
            first = first == null ? one : first;
        }
        System.out.println("observations " + observations + " of " + page.getCount());
        System.out.println("first " + first.getResult() + " at " + first.getPhenomenonTime());

        Observation made = ObservationBuilder.builder().result(new BigDecimal("0.31"))
            .phenomenonTime(new TimeObject(ZonedDateTime.parse(arguments[3]))).datastream(wanted).build();
        service.create(made);
        Observation back = service.observations().find(made.getId());
        System.out.println("created " + back.getResult() + " of " + back.getDatastream().getObservedProperty().getName());

        thing.setDescription("changed");
        System.out.println("update " + refused(() -> service.update(thing)));
        System.out.println("delete " + refused(() -> service.delete(made)));
    }

    private interface Act {
        void run() throws Exception;
    }

    private static int refused(Act act) throws Exception {
        try {
            act.run();
            return 0;
        } catch (StatusCodeException refusal) {
            return refusal.getStatusCode();
        }
    }
}
