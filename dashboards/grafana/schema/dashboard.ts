// The one type the schema is made of: what Grafana's own code takes a Classic dashboard to be.
import type { AnnotationQuery, Dashboard, DataQuery } from '@grafana/schema';

// Grafana's types know no data source, so the query of an annotation is said here; those of panels are open there too.
interface InfluxAnnotation extends DataQuery {
  query: string;
  rawQuery: true;
  resultFormat: 'table';
  textEditor: true;
  fromAnnotations: true;
  textColumn: string;
  tagsColumn: string;
  limit: number;
}

export type ShippedDashboard = Omit<Dashboard, 'annotations'> & {
  annotations: { list: AnnotationQuery<InfluxAnnotation>[] };
};
